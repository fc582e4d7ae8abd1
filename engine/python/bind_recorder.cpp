// recorder.hpp and recorder_shape.hpp for Python: what is worked out there and used here, and the other way
// round.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>

#include "bindings.hpp"
#include "recorder.hpp"
#include "recorder_aggregate.hpp"
#include "recorder_ground.hpp"
#include "recorder_method.hpp"
#include "recorder_nested.hpp"
#include "recorder_prefetch.hpp"
#include "recorder_query.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace cache_me::python {
namespace {

constexpr const char* kMethods[] = {"filter",      "exclude",        "order_by",    "reverse",   "distinct",
                                    "all",         "select_related", "only",        "defer",     "values",
                                    "values_list", "annotate",       "__getitem__", "get",       "count",
                                    "exists",      "first",          "last",        "aggregate", ""};
constexpr const char* kKinds[] = {
    "refused",  "constant", "integer", "text",           "numeral",        "uuid_text", "real",
    "decimal",  "uuid",     "date",    "naive_datetime", "aware_datetime", "time",      "duration",
    "instance", "members",  "bounds",  "tree",           "nested",         "column",    "aggregate"};

nb::object given(PyRef object) {
  if (!object) {
    if (PyErr_Occurred() != nullptr) throw nb::python_error();
    return nb::none();
  }
  return nb::steal(object.release());
}

nb::object or_none(const PyRef& object) {
  return object ? nb::borrow(object.get()) : nb::none();
}

Method method_of(const std::string& name) {
  for (std::size_t i = 0; i < std::size(kMethods); ++i) {
    if (name == kMethods[i]) return static_cast<Method>(i);
  }
  throw nb::value_error("no method of that name is recorded");
}

const Chain& chain_of(nb::handle object) {
  const Chain* chain = as_chain(object.ptr());
  if (chain == nullptr) throw nb::type_error("not a chain");
  return *chain;
}

std::vector<PyObject*> pointers(nb::tuple values, std::size_t count) {
  if (values.size() != count) throw nb::value_error("a chain has as many values as its shape");
  std::vector<PyObject*> found;
  for (const nb::handle value : values) found.push_back(value.ptr());
  return found;
}

// From the root's child to the leaf.
std::vector<const Node*> path_to(const Node& leaf) {
  std::vector<const Node*> nodes;
  for (const Node* node = &leaf; node->parent() != nullptr; node = node->parent().get())
    nodes.push_back(node);
  std::reverse(nodes.begin(), nodes.end());
  return nodes;
}

// (method, args, kwargs, sticky, late) of each step, the first one first.
nb::list steps_of(const Node& leaf, nb::tuple values) {
  const std::vector<PyObject*> all = pointers(values, leaf.value_count());
  nb::list steps;
  for (const Node* node : path_to(leaf)) {
    const Step& step = node->step();
    PyObject* const* next = all.data() + node->first_value();
    nb::list positional;
    nb::dict by_name;
    const std::size_t by_position = step.arguments.size() - step.names.size();
    for (std::size_t i = 0; i < step.arguments.size(); ++i) {
      const nb::object value = given(give_back(step.arguments[i], step.taking(), next));
      if (i < by_position) {
        positional.append(value);
      } else {
        by_name[nb::handle(step.names[i - by_position].get())] = value;
      }
    }
    steps.append(nb::make_tuple(kMethods[static_cast<std::size_t>(step.method)], nb::tuple(positional),
                                by_name, step.sticky, step.late));
  }
  return steps;
}

void describe(const Node& leaf, nb::list& found);

void describe(const Argument& argument, nb::object name, bool late, nb::list& found) {
  const auto words = [](ValueKind kind) { return nb::str(kKinds[static_cast<std::size_t>(kind)]); };
  switch (argument.kind) {
    case ValueKind::constant:
    case ValueKind::refused:
    case ValueKind::column:
    case ValueKind::aggregate:
      return;
    case ValueKind::instance:
      if (!late) found.append(nb::make_tuple(words(argument.key_kind), name, nb::none(), nb::none(), false));
      found.append(
          nb::make_tuple("instance", name, or_none(argument.what), or_none(argument.attribute), late));
      return;
    case ValueKind::members:
      found.append(nb::make_tuple("members", name, words(argument.member), nb::none(), false));
      return;
    case ValueKind::bounds:
      for (const Argument& leaf : argument.leaves) describe(leaf, name, late, found);
      return;
    case ValueKind::tree:
      for (std::size_t i = 0; i < argument.leaves.size(); ++i) {
        describe(argument.leaves[i], or_none(argument.names[i]), late, found);
      }
      return;
    case ValueKind::nested:
      describe(*argument.node, found);
      return;
    default:
      found.append(nb::make_tuple(words(argument.kind), name, nb::none(), nb::none(), false));
  }
}

void describe(const Node& leaf, nb::list& found) {
  for (const Node* node : path_to(leaf)) {
    const Step& step = node->step();
    const std::size_t by_position = step.arguments.size() - step.names.size();
    for (std::size_t i = 0; i < step.arguments.size(); ++i) {
      describe(step.arguments[i], i < by_position ? nb::none() : or_none(step.names[i - by_position]),
               step.late, found);
    }
  }
}

// Of each value (kind, lookup's name or None, class or members' kind, attribute of the key, is it late?).
nb::list values_described(const Node& leaf) {
  nb::list found;
  describe(leaf, found);
  return found;
}

nb::object find_or_make(nb::handle chain, const std::string& method, nb::tuple args, nb::dict kwargs,
                        bool sticky, bool late) {
  const Chain& recorded = chain_of(chain);
  HeldCall call;
  if (!call.hold(method_of(method), args.ptr(), kwargs.ptr(), sticky, late)) throw nb::python_error();
  Values values;
  const std::shared_ptr<Node> node = recorded.node->find_or_make(call.call, values);
  if (!node) {
    if (PyErr_Occurred() != nullptr) throw nb::python_error();
    return nb::none();
  }
  return given(make_chain(node, &recorded, values));
}

void install(nb::dict parts, nb::list attributes, nb::handle default_mode) {
  Recorder& all = recorder();
  const auto part = [&](const char* name) { return owned(parts[name]); };
  const auto part_or_null = [&](const char* name) { return owned_or_null(parts[name]); };
  Face& face = all.face;
  face.step = part("step");
  face.end = part("end");
  face.materialise = part("materialise");
  face.ground_of = part("ground_of");
  face.may_hit = part("may_hit");
  face.add_known = part("add_known");
  face.get_of = part("get_of");
  face.get_queryset = part("get_queryset");
  face.getattribute = part("getattribute");
  face.plainness = part("plainness");
  face.aside = part("aside");
  face.others = part("others");
  face.querysets = part("querysets");
  face.running_loop = part("running_loop");
  face.connections = part("connections");
  face.thread_local_connections = part_or_null("thread_local_connections");
  face.router = part("router");
  face.router_dict = part("router_dict");
  face.pre_init_dict = part("pre_init_dict");
  face.post_init_dict = part("post_init_dict");
  face.default_alias = part("default_alias");
  face.router_class = Watches();
  face.router_class.add_class(PyRef::borrow(reinterpret_cast<PyObject*>(Py_TYPE(face.router.get()))));
  set_value_classes(part("model"), part("tree"), part("key_name"));
  std::vector<PyRef> aggregates;
  for (const nb::handle sample : nb::cast<nb::list>(parts["aggregates"])) aggregates.push_back(owned(sample));
  if (!set_aggregates(aggregates, part("column"), part("star"))) throw nb::python_error();
  all.attributes.clear();
  using Kind = Attribute::Kind;
  constexpr std::pair<const char*, Kind> kAttributeKinds[] = {
      {"fixed", Kind::fixed}, {"new_dict", Kind::new_dict}, {"copied", Kind::copied}, {"model", Kind::model},
      {"db", Kind::db},       {"hints", Kind::hints},       {"known", Kind::known}};
  for (const nb::handle one : attributes) {
    PyObject* name = nb::str(one[0]).release().ptr();
    PyUnicode_InternInPlace(&name);
    Attribute attribute{PyRef::steal(name), owned(one[1]), Kind::fixed};
    const std::string kind = nb::cast<std::string>(one[2]);
    for (const auto& [words, known] : kAttributeKinds) {
      if (kind == words) attribute.kind = known;
    }
    all.attributes.push_back(std::move(attribute));
  }
  all.default_mode = owned_or_null(default_mode);
}

std::shared_ptr<const Prefetch> prefetch_of(const Node& root, nb::handle name, nb::handle alias) {
  for (const auto& one : root.prefetches) {
    if (PyUnicode_Compare(one->name.get(), name.ptr()) == 0 &&
        PyUnicode_Compare(one->alias.get(), alias.ptr()) == 0) {
      return one;
    }
  }
  return nullptr;
}

std::optional<std::string> prefetch_whose(const Node& root, nb::str name, nb::str alias) {
  const std::shared_ptr<const Prefetch> found = prefetch_of(root, name, alias);
  return found ? std::optional(found->plan->whose) : std::nullopt;
}

nb::object prefetch_key(const Node& root, nb::str name, nb::str alias, nb::tuple keys) {
  const std::shared_ptr<const Prefetch> found = prefetch_of(root, name, alias);
  PyObject* const values[] = {keys.ptr()};
  return found ? given(key_by(*found->plan, values)) : nb::none();
}

void add_prefetch(Node& root, std::shared_ptr<Plan> plan, nb::handle name, nb::handle key_attribute,
                  nb::handle value_attribute, nb::handle cache_name, nb::handle managers,
                  nb::handle querysets, nb::handle model, std::shared_ptr<Node> node, nb::handle field,
                  nb::handle parent_name) {
  if (root.parent() != nullptr || !root.is_current() || !node->is_current()) return;
  auto made = std::make_shared<Prefetch>();
  made->name = interned(name);
  made->alias = PyRef::borrow(plan->alias.get());
  made->key_attribute = interned(key_attribute);
  made->value_attribute = interned(value_attribute);
  made->cache_name = interned(cache_name);
  made->managers = owned(managers);
  made->querysets = owned(querysets);
  made->model = owned(model);
  made->node = std::move(node);
  made->field = owned_or_null(field);
  made->parent_name = interned_or_null(parent_name);
  made->plan = std::move(plan);
  for (auto& known : root.prefetches) {
    if (PyUnicode_Compare(known->name.get(), made->name.get()) == 0 &&
        PyUnicode_Compare(known->alias.get(), made->alias.get()) == 0) {
      known = made;
      return;
    }
  }
  root.prefetches.push_back(made);
}

void register_shapes(nb::module_& module) {
  nb::class_<Node>(module, "Node", "A shape: see recorder_shape.hpp.")
      .def_prop_ro("method",
                   [](const Node& self) { return kMethods[static_cast<std::size_t>(self.step().method)]; })
      .def_prop_ro("is_root", [](const Node& self) { return self.parent() == nullptr; })
      .def_prop_ro("parent", [](const Node& self) { return self.parent(); })
      .def_prop_ro("is_current", &Node::is_current)
      .def_prop_ro("is_late", [](const Node& self) { return self.step().late; })
      .def_prop_ro("first_value", &Node::first_value)
      .def_prop_ro(
          "slice_ends",
          [](const Node& self) {
            const auto& ends = self.step().arguments;
            if (self.step().method != Method::slice || ends.size() != 2) throw nb::value_error("no slice");
            return nb::make_tuple(ends[0].kind != ValueKind::constant, ends[1].kind != ValueKind::constant);
          },
          nb::for_getter(nb::sig("def slice_ends(self, /) -> tuple[bool, bool]")),
          "Has it a start, and a stop?")
      .def_ro("is_sliced", &Node::is_sliced)
      .def_rw("sights", &Node::sights)
      .def_rw("is_refused", &Node::is_refused)
      .def_prop_ro("is_proven", [](const Node& self) { return self.state == NodeState::proven; })
      .def_prop_ro("is_eager", [](const Node& self) { return self.state == NodeState::eager; })
      .def("prove", [](Node& self) { self.state = NodeState::proven; })
      .def("keep_eager", [](Node& self) { self.state = NodeState::eager; })
      .def(
          "set_results",
          [](Node& self, nb::handle fields, nb::handle iterable_class) {
            self.fields = owned(fields);
            self.iterable_class = owned(iterable_class);
          },
          "fields"_a.none(), "iterable_class"_a,
          nb::sig("def set_results(self, fields: typing.Any, iterable_class: typing.Any) -> None"),
          "_fields and _iterable_class of querysets of this shape.")
      .def_prop_ro(
          "values", &values_described,
          nb::for_getter(
              nb::sig("def values(self, /) -> list[tuple[str, str | None, typing.Any, str | None, bool]]")),
          "Of each value: kind, lookup's name, class or members' kind, where an instance has its key, late?")
      .def("steps", &steps_of, "values"_a,
           nb::sig(
               "def steps(self, values: tuple[typing.Any, ...]) -> list[tuple[str, tuple[typing.Any, ...], "
               "dict[str, typing.Any], bool, bool]]"),
           "Method, arguments by position and by name, sticky?, late? of each step.")
      .def(
          "plan_whose",
          [](const Node& self, const std::string& alias) -> std::optional<std::string> {
            for (const auto& plan : self.plans) {
              if (alias == nb::cast<std::string>(nb::handle(plan->alias.get()))) return plan->whose;
            }
            return std::nullopt;
          },
          "alias"_a, "Whose answers the plan for that database is about; None: there's no plan.")
      .def("has_plan",
           [](const Node& self, const std::string& alias) {
             for (const auto& plan : self.plans) {
               if (alias == nb::cast<std::string>(nb::handle(plan->alias.get()))) return true;
             }
             return false;
           })
      .def(
          "add_plan",
          [](Node& self, std::shared_ptr<Plan> plan) {
            for (auto& known : self.plans) {
              if (PyUnicode_Compare(known->alias.get(), plan->alias.get()) == 0) {
                known = plan;
                return;
              }
            }
            if (self.is_current()) self.plans.push_back(plan);
          },
          "plan"_a)
      .def("drop_plans", [](Node& self) { self.plans.clear(); })
      .def_prop_ro(
          "notes",
          [](Node& self) {
            if (!self.notes) self.notes = PyRef::steal(PyDict_New());
            return nb::borrow(self.notes.get());
          },
          nb::for_getter(nb::sig("def notes(self, /) -> dict[typing.Any, typing.Any]")),
          "Whatever Python wants to be forgotten with this shape.")
      .def("prefetch_whose", &prefetch_whose, "name"_a, "alias"_a,
           "Whose answers the prefetch's plan is about; None: there's no plan.")
      .def("prefetch_key", &prefetch_key, "name"_a, "alias"_a, "keys"_a,
           nb::sig("def prefetch_key(self, name: str, alias: str, keys: tuple[int, ...]) -> bytes | None"),
           "For tests: the key in the store that the prefetch's plan makes.")
      .def(
          "add_prefetch", &add_prefetch, "plan"_a, "name"_a, "key_attribute"_a, "value_attribute"_a,
          "cache_name"_a, "managers"_a, "querysets"_a, "model"_a, "node"_a, "field"_a.none(),
          "parent_name"_a.none(),
          nb::sig(
              "def add_prefetch(self, plan: Plan, name: str, key_attribute: str, value_attribute: str, "
              "cache_name: str, managers: type, querysets: type, model: type, node: Node, field: typing.Any, "
              "parent_name: str | None) -> None"),
          "Prefetches of this root's instances by that plan: see recorder_prefetch.hpp.");
}

}  // namespace
}  // namespace cache_me::python

void register_recorder(nb::module_& module) {
  using namespace cache_me::python;

  if (!init_recorder_values() || !init_recorder_nested() || !init_recorder_aggregates() ||
      !init_recorder_prefetch() || !init_recorder_attributes() || !init_chains() || !init_recorder_ground() ||
      !init_recorder() || !init_recorded_methods() || !init_recorder_query()) {
    throw nb::python_error();
  }
  register_recorder_plans(module);
  register_shapes(module);
  module.attr("Chain") = nb::handle(reinterpret_cast<PyObject*>(chain_class()));
#ifdef Py_GIL_DISABLED
  module.attr("CAN_RECORD") = false;
#else
  module.attr("CAN_RECORD") = true;
#endif
  module.def(
      "install_recorder", &install, "parts"_a, "attributes"_a, "default_mode"_a.none(),
      nb::sig("def install_recorder(parts: dict[str, typing.Any], attributes: list[tuple[str, typing.Any, "
              "str]], default_mode: typing.Any) -> None"));
  module.def("is_recording", [] { return recorder().face.is_on; });
  module.def(
      "is_plain_class",
      [](nb::handle type) {
        return plainness_of(reinterpret_cast<PyTypeObject*>(type.ptr())) != Plainness::none;
      },
      "type"_a, nb::sig("def is_plain_class(type: typing.Any) -> bool"),
      "Whether querysets of that class are recorded.");
  module.def(
      "record", [](bool on) { recorder().face.is_on = on; }, "on"_a, "Switch recording on or off.");
  module.def(
      "recorded_method",
      [](nb::handle original, const std::string& name, bool on_manager) {
        PyObject* words = PyUnicode_InternFromString(name.c_str());
        return given(make_recorded_method(owned(original), PyRef::steal(words), method_of(name), on_manager));
      },
      "original"_a, "name"_a, "on_manager"_a,
      nb::sig("def recorded_method(original: typing.Any, name: str, on_manager: bool) -> typing.Any"));
  module.def(
      "diverted_method",
      [](nb::handle original, nb::handle otherwise, nb::handle others) {
        return given(make_diverted_method(owned(original), owned(otherwise), owned_or_null(others)));
      },
      "original"_a, "otherwise"_a, "others"_a.none(),
      nb::sig("def diverted_method(original: typing.Any, otherwise: typing.Any, others: set[typing.Any] | "
              "None) -> typing.Any"));
  module.def(
      "query_attribute", [] { return given(make_query_attribute()); },
      nb::sig("def query_attribute() -> typing.Any"));
  module.def(
      "query_property", [](nb::handle djangos) { return given(make_query_property(djangos.ptr())); },
      "djangos"_a, nb::sig("def query_property(djangos: typing.Any) -> typing.Any"));
  module.def(
      "root_chain",
      [](nb::handle model) {
        const std::shared_ptr<Node> root = Node::root_of(model.ptr());
        root->is_wanted = true;
        return given(make_chain(root, nullptr, {}));
      },
      "model"_a, nb::sig("def root_chain(model: typing.Any) -> typing.Any"));
  module.def(
      "is_recorded",
      [](nb::handle queryset) {
        const Attributes attributes(queryset.ptr());
        return attributes && attributes.chain() != nullptr;
      },
      "queryset"_a, "Whether it has a chain, and no Query beside it that somebody gave it.");
  module.def(
      "node_of", [](nb::handle chain) { return chain_of(chain).node; }, "chain"_a,
      nb::sig("def node_of(chain: typing.Any) -> Node"));
  module.def(
      "values_of",
      [](nb::handle chain) {
        const Chain& recorded = chain_of(chain);
        nb::list values;
        for (Py_ssize_t i = 0; i < Py_SIZE(&recorded); ++i) values.append(nb::handle(recorded.values[i]));
        return nb::tuple(values);
      },
      "chain"_a, nb::sig("def values_of(chain: typing.Any) -> tuple[typing.Any, ...]"));
  module.def(
      "longer_chain", &find_or_make, "chain"_a, "method"_a, "args"_a, "kwargs"_a, "sticky"_a, "late"_a,
      nb::sig(
          "def longer_chain(chain: typing.Any, method: str, args: tuple[typing.Any, ...], kwargs: dict[str, "
          "typing.Any], sticky: bool, late: bool) -> typing.Any"),
      "The chain with that step behind it, its shape made if need be; None: it can't be recorded.");
  module.def(
      "new_queryset",
      [](nb::handle type, nb::handle chain, nb::handle parent, nb::handle model, nb::handle db,
         nb::handle hints, bool as_clone) {
        chain_of(chain);
        const Attributes inherited = Attributes::of_dict(parent.is_none() ? nullptr : parent.ptr());
        return given(new_queryset(reinterpret_cast<PyTypeObject*>(type.ptr()), chain.ptr(),
                                  inherited ? &inherited : nullptr, model.ptr(), db.ptr(), hints.ptr(),
                                  as_clone));
      },
      "type"_a, "chain"_a, "parent"_a.none(), "model"_a.none(), "db"_a.none(), "hints"_a.none(), "as_clone"_a,
      nb::sig("def new_queryset(type: typing.Any, chain: typing.Any, parent: dict[str, typing.Any] | None, "
              "model: "
              "typing.Any, db: str | None, hints: typing.Any, as_clone: bool) -> typing.Any"));
  module.def(
      "rows_of",
      [](nb::handle queryset, nb::handle alias) { return given(rows_of(queryset.ptr(), alias.ptr())); },
      "queryset"_a, "alias"_a,
      nb::sig("def rows_of(queryset: typing.Any, alias: str) -> list[typing.Any] | None"),
      "What iterating a recorded queryset gives, if that is a hit.");
  module.def(
      "root_of", [](nb::handle model) { return Node::root_of(model.ptr()); }, "model"_a,
      nb::sig("def root_of(model: typing.Any) -> Node"));
  module.def(
      "querysets_of_managers",
      [](nb::handle type) {
        PyTypeObject* found = queryset_class_of(reinterpret_cast<PyTypeObject*>(type.ptr()));
        return found == nullptr ? nb::none() : nb::borrow(nb::handle(reinterpret_cast<PyObject*>(found)));
      },
      "type"_a, nb::sig("def querysets_of_managers(type: type) -> typing.Any"),
      "The class of the querysets of such managers if these are recorded, or None.");
  module.def(
      "prefetch",
      [](nb::handle queryset) {
        const int done = prefetch_for(queryset.ptr());
        if (done < 0) throw nb::python_error();
        return done != 0;
      },
      "queryset"_a, nb::sig("def prefetch(queryset: typing.Any) -> bool"),
      "Prefetch for an evaluated queryset, if all of it is a hit; else nothing is done.");
  module.def(
      "end_of",
      [](nb::handle queryset, nb::handle longer, nb::handle alias) {
        chain_of(longer);
        const PyRef answer = end_of(queryset.ptr(), longer.ptr(), alias.ptr());
        if (!answer && PyErr_Occurred() != nullptr) throw nb::python_error();
        return answer ? nb::make_tuple(nb::handle(answer.get())) : nb::tuple();
      },
      "queryset"_a, "longer"_a, "alias"_a,
      nb::sig("def end_of(queryset: typing.Any, longer: typing.Any, alias: str) -> tuple[typing.Any, ...]"),
      "The answer of the method that ends the chain, in a tuple of its own, if it is a hit.");
  module.def(
      "key_by_plan",
      [](nb::handle chain, nb::str alias) {
        const Chain& recorded = chain_of(chain);
        return given(key_for(*recorded.node, recorded.values, alias.ptr()));
      },
      "chain"_a, "alias"_a, nb::sig("def key_by_plan(chain: typing.Any, alias: str) -> bytes | None"),
      "For tests: the key in the store that the chain's plan makes.");
  module.def("forget_shapes", &Node::forget_all, "Forget all that was proven and learnt.");
  module.def("shapes", &Node::count);
  module.def(
      "enter_bypass", [] { ++bypass_depth(); }, "Until left, no read of this thread hits by a plan.");
  module.def("leave_bypass", [] { --bypass_depth(); });
  module.def(
      "enter_capture", [] { ++capture_depth(); }, "Until left, this thread is capturing.");
  module.def("leave_capture", [] { --capture_depth(); });
  module.def("is_capturing", [] { return capture_depth() != 0; });
  module.def("recorded_hits", [] { return recorder().hits; });
  module.def("reset_recorded_hits", [] { recorder().hits = 0; });
}
