// recorder_forward.hpp for Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "recorder.hpp"
#include "recorder_forward.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace cache_me::python {
namespace {

std::shared_ptr<const Forward> find(const Node& root, nb::handle descriptor, nb::handle alias) {
  for (const auto& one : root.forwards) {
    if (one->descriptor.get() == descriptor.ptr() && PyUnicode_Compare(one->alias.get(), alias.ptr()) == 0)
      return one;
  }
  return nullptr;
}

// `parts` by the names of Forward's members. Watched are `classes`, `methods` (class, name), and `entries` of
// dicts (dict, name, value).
void add(Node& root, std::shared_ptr<Plan> plan, nb::dict parts, nb::list classes, nb::list methods,
         nb::list entries) {
  if (root.parent() != nullptr || !root.is_current()) return;
  const auto part = [&](const char* name) { return owned(parts[name]); };
  const auto dict = [&](const char* name) { return owned(nb::cast<nb::dict>(parts[name])); };
  std::vector<PyRef> attributes;
  attributes.push_back(interned(nb::str("_state")));
  attributes.push_back(interned(parts["attribute"]));
  const auto made = std::make_shared<Forward>(Shape(PyRef::borrow(root.model()), std::move(attributes)));
  made->descriptor = part("descriptor");
  made->alias = PyRef::borrow(plan->alias.get());
  made->state_class = part("state_class");
  made->value_class = part("value_class");
  made->cache_name = interned(parts["cache_name"]);
  made->remote_name = interned_or_null(parts["remote_name"]);
  made->model = part("model");
  made->manager = part("manager");
  made->querysets = part("querysets");
  made->descriptor_dict = dict("descriptor_dict");
  made->manager_dict = dict("manager_dict");
  made->descriptor_size = PyDict_GET_SIZE(made->descriptor_dict.get());
  made->manager_size = PyDict_GET_SIZE(made->manager_dict.get());
  for (const nb::handle one : classes) made->watches.add_class(owned(nb::cast<nb::type_object>(one)));
  for (const nb::handle one : methods) {
    const auto type = nb::cast<nb::type_object>(one[0]);
    made->methods.add(reinterpret_cast<PyTypeObject*>(type.ptr()), interned(one[1]));
  }
  for (const nb::handle one : entries)
    made->watches.add(owned(nb::cast<nb::dict>(one[0])), owned(one[1]), owned(one[2]), false);
  made->plan = std::move(plan);
  for (auto& known : root.forwards) {
    if (known->descriptor.get() == made->descriptor.get() &&
        PyUnicode_Compare(known->alias.get(), made->alias.get()) == 0) {
      known = made;
      return;
    }
  }
  root.forwards.push_back(made);
}

}  // namespace
}  // namespace cache_me::python

void register_recorder_forward(nb::module_& module) {
  using namespace cache_me::python;

  if (!init_recorder_forward()) throw nb::python_error();
  module.def(
      "forward_access",
      [](nb::handle original) {
        PyRef made = make_forward_access(owned(original));
        if (!made) throw nb::python_error();
        return nb::steal(made.release());
      },
      "original"_a, nb::sig("def forward_access(original: typing.Any) -> typing.Any"),
      "What stands in place of ForwardManyToOneDescriptor.__get__.");
  module.def(
      "add_forward", &add, "root"_a, "plan"_a, "parts"_a, "classes"_a, "methods"_a, "entries"_a,
      nb::sig("def add_forward(root: Node, plan: Plan, parts: dict[str, typing.Any], classes: "
              "list[type], methods: list[tuple[type, str]], entries: list[tuple[dict[str, typing.Any], "
              "str, typing.Any]]) -> None"),
      "Access from this root's instances by that plan: see recorder_forward.hpp.");
  module.def(
      "forward_whose",
      [](const Node& root, nb::handle descriptor, nb::str alias) -> std::optional<std::string> {
        const auto found = find(root, descriptor, alias);
        return found ? std::optional(found->plan->whose) : std::nullopt;
      },
      "root"_a, "descriptor"_a, "alias"_a,
      nb::sig("def forward_whose(root: Node, descriptor: typing.Any, alias: str) -> str | None"),
      "Whose answers the access's plan is about; None: there's no plan.");
  module.def(
      "forward_hits", [] { return recorder().forward_hits; }, "For tests: of recorded_hits(), those.");
  module.def(
      "forward_key",
      [](const Node& root, nb::handle descriptor, nb::str alias, nb::handle value) -> nb::object {
        const auto found = find(root, descriptor, alias);
        PyObject* const values[] = {value.ptr()};
        PyRef key = found ? key_by(*found->plan, values) : PyRef();
        if (!key) return nb::none();
        return nb::steal(key.release());
      },
      "root"_a, "descriptor"_a, "alias"_a, "value"_a,
      nb::sig("def forward_key(root: Node, descriptor: typing.Any, alias: str, value: typing.Any) -> bytes | "
              "None"),
      "For tests: the key in the store that the access's plan makes.");
}
