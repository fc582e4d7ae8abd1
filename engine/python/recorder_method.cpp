#include "recorder_method.hpp"

#include <cstddef>

#include "compat.hpp"
#include "interned.hpp"
#include "recorder.hpp"

namespace cache_me::python {
namespace {

struct Names {
  PyObject* chain = nullptr;
  PyObject* model = nullptr;
  PyObject* db = nullptr;
  PyObject* hints = nullptr;
  PyObject* get_queryset = nullptr;
  PyObject* queryset_class = nullptr;
  PyObject* sticky = nullptr;
  PyObject* defer_next = nullptr;
  PyObject* cloning = nullptr;
  PyObject* result_cache = nullptr;
  PyObject* for_write = nullptr;
  PyObject* prefetches = nullptr;
  PyObject* policy = nullptr;
  PyObject* mode = nullptr;
  PyObject* known = nullptr;
  PyObject* fields = nullptr;
  PyObject* iterable_class = nullptr;
  PyObject* qualified = nullptr;
};
Names names;  // interned; kept until the process ends

struct RecordedMethod {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* dict;
  PyObject* weak_references;
  PyObject* original;
  // Of a method that is recorded.
  PyObject* name;
  Method method;
  bool on_manager;
  // Of a method that is diverted.
  PyObject* otherwise;
  PyObject* others;  // or null
};

RecordedMethod* of(PyObject* self) noexcept {
  return reinterpret_cast<RecordedMethod*>(self);
}

PyObject* call_original(RecordedMethod* method, PyObject* const* args, std::size_t flags, PyObject* kwnames) {
  return compat::vectorcall(method->original, args, flags, kwnames);
}

// The call handed to Python: function(object, method's name, args, kwargs).
PyRef hand_over(const PyRef& function, RecordedMethod* method, PyObject* const* args, std::size_t count,
                PyObject* kwnames) {
  const PyRef positional = PyRef::steal(PyTuple_New(static_cast<Py_ssize_t>(count) - 1));
  const PyRef by_name = PyRef::steal(PyDict_New());
  if (!positional || !by_name) return PyRef();
  for (std::size_t i = 1; i < count; ++i) {
    Py_INCREF(args[i]);
    PyTuple_SET_ITEM(positional.get(), static_cast<Py_ssize_t>(i) - 1, args[i]);
  }
  for (Py_ssize_t i = 0; kwnames != nullptr && i < PyTuple_GET_SIZE(kwnames); ++i) {
    if (PyDict_SetItem(by_name.get(), PyTuple_GET_ITEM(kwnames, i),
                       args[static_cast<Py_ssize_t>(count) + i]) < 0) {
      return PyRef();
    }
  }
  return PyRef::steal(PyObject_CallFunctionObjArgs(function.get(), args[0], method->name, positional.get(),
                                                   by_name.get(), nullptr));
}

std::vector<PyObject*> borrowed(const Values& values) {
  std::vector<PyObject*> pointers;
  pointers.reserve(values.size());
  for (const PyRef& value : values) pointers.push_back(value.get());
  return pointers;
}

// Null without an error: it's for Django's own method to do.
PyRef on_manager(RecordedMethod* method, PyObject* const* args, std::size_t count, PyObject* kwnames) {
  const Attributes manager(args[0]);
  PyObject* model = manager ? manager.get(names.model) : Py_None;
  if (PySet_Contains(recorder().face.others.get(), model) != 0) {
    PyErr_Clear();
    return PyRef();
  }
  PyTypeObject* querysets = queryset_class_of(Py_TYPE(args[0]));
  if (querysets == nullptr || model == Py_None || manager.find(names.get_queryset) != nullptr ||
      manager.find(names.queryset_class) != nullptr) {
    return PyRef();
  }
  PyObject* hints = manager.get(names.hints);
  if (!PyDict_CheckExact(hints)) return PyRef();
  const std::shared_ptr<Node> root = Node::root_of(model);
  if (method->method == Method::all) {
    if (!root->is_wanted || count != 1 || kwnames != nullptr) return PyRef();
    const PyRef chain = make_chain(root, nullptr, {});
    if (!chain) return PyRef();
    return new_queryset(querysets, chain.get(), nullptr, model, manager.get(names.db), hints, false);
  }
  Values values;
  const std::shared_ptr<Node> node =
      root->find({method->method, false, false, args + 1, count - 1, kwnames}, values);
  if (!node || !node->is_current()) return PyRef();
  if (!ends_chain(method->method)) {
    if (node->state != NodeState::proven) return PyRef();
    const PyRef chain = make_chain(node, nullptr, values);
    if (!chain) return PyRef();
    return new_queryset(querysets, chain.get(), nullptr, model, manager.get(names.db), hints, false);
  }
  const std::vector<PyObject*> pointers = borrowed(values);
  OnMiss on_miss = OnMiss::ask;
  const PyRef list = attempt(*node, pointers.data(), {model, manager.get(names.db), hints, nullptr}, on_miss);
  PyRef answer = list ? answer_of(*node, list.get(), on_miss) : PyRef();
  if (answer && on_miss != OnMiss::asked) ++recorder().hits;
  if (answer || PyErr_Occurred() != nullptr || !root->is_wanted) return answer;
  // A miss. Django's method would make this queryset and call its method, which would look a second time.
  const PyRef chain = make_chain(root, nullptr, {});
  const PyRef queryset =
      chain ? new_queryset(querysets, chain.get(), nullptr, model, manager.get(names.db), hints, false)
            : PyRef();
  if (!queryset) return PyRef();
  const std::size_t by_name = kwnames == nullptr ? 0 : static_cast<std::size_t>(PyTuple_GET_SIZE(kwnames));
  std::vector<PyObject*> of_queryset(args, args + count + by_name);
  of_queryset[0] = queryset.get();
  return hand_over(recorder().face.end, method, of_queryset.data(), count, kwnames);
}

bool is_plain_read(const Attributes& queryset) {
  PyObject* prefetches = queryset.get(names.prefetches);
  PyObject* mode = recorder().default_mode.get();
  return !queryset.is_true(names.for_write) && PyTuple_CheckExact(prefetches) &&
         PyTuple_GET_SIZE(prefetches) == 0 && queryset.get(names.policy) == Py_None &&
         (mode == nullptr || queryset.get(names.mode) == mode);
}

bool knows_something(const Attributes& attributes) {
  PyObject* known = attributes.get(names.known);
  return !PyDict_CheckExact(known) || PyDict_GET_SIZE(known) != 0;
}

// Whether results are made by what the chain's steps have chosen; packages put classes of their own there.
bool iterates_as_recorded(const Attributes& attributes, const Node& node) {
  PyObject* const given = attributes.get(names.iterable_class);
  for (const Node* one = &node; one != nullptr; one = one->parent().get()) {
    if (one->iterable_class) return one->iterable_class.get() == given;
  }
  for (const Attribute& attribute : recorder().attributes) {
    if (attribute.name.get() == names.iterable_class) return attribute.value.get() == given;
  }
  return false;
}

PyRef attempt_for(PyObject* queryset, const Attributes& attributes, const Node& node, PyObject* const* values,
                  PyObject* alias, OnMiss& on_miss) {
  if (!gives_numbers(node.step().method) && !iterates_as_recorded(attributes, node)) return PyRef();
  const bool knows = !gives_numbers(node.step().method) && knows_something(attributes);
  for (const auto& plan : node.plans) {
    if (knows && !plan->knows_related) return PyRef();
  }
  PyObject* hints = attributes.get(names.hints);
  PyRef list = attempt(node, values,
                       {attributes.get(names.model), attributes.get(names.db),
                        PyDict_CheckExact(hints) ? hints : nullptr, alias},
                       on_miss);
  // The instances get what a related manager knows already.
  if (list && knows &&
      !PyRef::steal(
          PyObject_CallFunctionObjArgs(recorder().face.add_known.get(), queryset, list.get(), nullptr))) {
    return PyRef();
  }
  return list;
}

// Null without an error: it's for Python to do.
PyRef end_of_chain(PyObject* queryset, const Attributes& attributes, const Chain& chain, const Call& call) {
  if (!is_plain_read(attributes) || attributes.is_true(names.sticky) || !chain.node->is_current())
    return PyRef();
  Values values;
  const std::shared_ptr<Node> node = chain.node->find(call, values);
  if (!node) return PyRef();
  std::vector<PyObject*> pointers;
  if (!values.empty()) {
    pointers.assign(chain.values, chain.values + Py_SIZE(&chain));
    for (const PyRef& value : values) pointers.push_back(value.get());
  }
  OnMiss on_miss = OnMiss::ask;
  const PyRef list = attempt_for(queryset, attributes, *node, values.empty() ? chain.values : pointers.data(),
                                 nullptr, on_miss);
  PyRef answer = list ? answer_of(*node, list.get(), on_miss) : PyRef();
  if (answer && on_miss != OnMiss::asked) ++recorder().hits;
  return answer;
}

// The proven step as a queryset; null without an error: it's for Python to do.
PyRef take_step(PyObject* queryset, Attributes& attributes, const Chain& chain, const Call& call) {
  if (!chain.node->is_current()) return PyRef();
  Values values;
  const std::shared_ptr<Node> node = chain.node->find(call, values);
  if (!node || node->state != NodeState::proven) return PyRef();
  const PyRef longer = make_chain(node, &chain, values);
  if (!longer) return PyRef();
  // Django's filter() takes the mark off the queryset that it's called on.
  if (call.late && !attributes.set(names.defer_next, Py_False)) return PyRef();
  PyObject* cloning = attributes.find(names.cloning);
  if (cloning == nullptr || cloning == Py_True) {
    return new_queryset(Py_TYPE(queryset), longer.get(), &attributes, nullptr, nullptr, nullptr, false);
  }
  // Django 6.1: this queryset is changed in place for now.
  if (!attributes.set(names.chain, longer.get()) || !attributes.set(names.sticky, Py_False) ||
      (node->fields && !attributes.set(names.fields, node->fields.get())) ||
      (node->iterable_class && !attributes.set(names.iterable_class, node->iterable_class.get()))) {
    return PyRef();
  }
  return PyRef::borrow(queryset);
}

bool is_index(PyObject* value) noexcept {
  return value == Py_None || PyLong_CheckExact(value);
}

// A slice's ends as the arguments of a step: None in place of a start of 0. False: it's not recorded.
bool ends_of(PyObject* key, PyObject* ends[2]) {
  if (!PySlice_Check(key)) return false;
  const auto* slice = reinterpret_cast<PySliceObject*>(key);
  if (slice->step != Py_None || !is_index(slice->start) || !is_index(slice->stop)) return false;
  int overflow = 0;
  const long long start = slice->start == Py_None ? 0 : PyLong_AsLongLongAndOverflow(slice->start, &overflow);
  if (overflow != 0 || start < 0) return false;
  const long long stop = slice->stop == Py_None ? 0 : PyLong_AsLongLongAndOverflow(slice->stop, &overflow);
  if (overflow != 0 || (slice->stop == Py_None ? start == 0 : stop <= start)) return false;
  ends[0] = start == 0 ? Py_None : slice->start;
  ends[1] = slice->stop;
  return true;
}

// Asked without its __dict__, which makes everything slower that is done with it later: QuerySet itself has
// None by that name.
bool finds_no_chain(PyObject* queryset) noexcept {
  const PyRef chain = PyRef::steal(PyObject_GenericGetAttr(queryset, names.chain));
  if (!chain) PyErr_Clear();
  return as_chain(chain.get()) == nullptr;
}

bool has_no_chain(PyObject* queryset) noexcept {
  const Glance glance(queryset);
  return glance ? as_chain(glance.at(Glance::chain)) == nullptr : finds_no_chain(queryset);
}

PyObject* on_queryset(RecordedMethod* method, PyObject* const* args, std::size_t flags, PyObject* kwnames) {
  const std::size_t count = static_cast<std::size_t>(PyVectorcall_NARGS(flags));
  PyObject* queryset = args[0];
  if (has_no_chain(queryset)) return call_original(method, args, flags, kwnames);
  Attributes attributes(queryset);
  const Chain* chain = attributes ? attributes.chain() : nullptr;
  const PyRef held = PyRef::borrow(reinterpret_cast<PyObject*>(const_cast<Chain*>(chain)));
  const Plainness plainness =
      chain == nullptr || !recorder().face.is_on ? Plainness::none : plainness_of(Py_TYPE(queryset));
  if (plainness == Plainness::none) return call_original(method, args, flags, kwnames);
  Call call{method->method, attributes.is_true(names.sticky), false, args + 1, count - 1, kwnames};
  const bool is_evaluated = attributes.get(names.result_cache) != Py_None;
  if (ends_chain(method->method)) {
    if (is_evaluated && method->method != Method::get && method->method != Method::aggregate)
      return call_original(method, args, flags, kwnames);
    if (plainness != Plainness::entirely) {
      return hand_over(recorder().face.aside, method, args, count, kwnames).release();
    }
    PyRef answer = end_of_chain(queryset, attributes, *chain, call);
    if (answer || PyErr_Occurred() != nullptr) return answer.release();
    return hand_over(recorder().face.end, method, args, count, kwnames).release();
  }
  PyObject* ends[2];
  if (method->method == Method::slice) {
    if (is_evaluated || count != 2) return call_original(method, args, flags, kwnames);
    if (!chain->node->is_sliced && ends_of(args[1], ends)) {
      call.arguments = ends;
      call.by_position = 2;
    } else {
      return hand_over(recorder().face.step, method, args, count, kwnames).release();
    }
  }
  call.late = attributes.is_true(names.defer_next) &&
              (method->method == Method::filter || method->method == Method::exclude);
  PyRef made = take_step(queryset, attributes, *chain, call);
  if (made || PyErr_Occurred() != nullptr) return made.release();
  return hand_over(recorder().face.step, method, args, count, kwnames).release();
}

PyObject* vectorcall(PyObject* self, PyObject* const* args, std::size_t flags, PyObject* kwnames) {
  RecordedMethod* method = of(self);
  const std::size_t count = static_cast<std::size_t>(PyVectorcall_NARGS(flags));
  if (count == 0) return call_original(method, args, flags, kwnames);
  if (!method->on_manager) return on_queryset(method, args, flags, kwnames);
  if (recorder().face.is_on) {
    PyRef answer = on_manager(method, args, count, kwnames);
    if (answer || PyErr_Occurred() != nullptr) return answer.release();
  }
  return call_original(method, args, flags, kwnames);
}

// Whether a queryset is Django's own in every respect: nothing is recorded of it, nothing asked of the cache,
// and its model is one of `others`, if these are given. Its __dict__ is left alone.
bool is_djangos(PyObject* queryset, PyObject* others) noexcept {
  if (capture_depth() != 0) return false;
  if (const Glance glance(queryset); glance) {
    PyObject* const model = glance.at(Glance::model);
    PyObject* const policy = glance.at(Glance::policy);
    if (as_chain(glance.at(Glance::chain)) != nullptr || (policy != nullptr && policy != Py_None) ||
        model == nullptr) {
      return false;
    }
    const int found = others == nullptr ? 1 : PySet_Contains(others, model);
    if (found < 0) PyErr_Clear();
    return found == 1;
  }
  if (!finds_no_chain(queryset)) return false;
  const PyRef policy = PyRef::steal(PyObject_GenericGetAttr(queryset, names.policy));
  bool found = policy.get() == Py_None;
  if (found && others != nullptr) {
    const PyRef model = PyRef::steal(PyObject_GenericGetAttr(queryset, names.model));
    found = model && PySet_Contains(others, model.get()) == 1;
  }
  if (!found) PyErr_Clear();
  return found;
}

PyObject* divert(PyObject* self, PyObject* const* args, std::size_t flags, PyObject* kwnames) {
  RecordedMethod* method = of(self);
  if (PyVectorcall_NARGS(flags) == 0 || is_djangos(args[0], method->others))
    return call_original(method, args, flags, kwnames);
  return compat::vectorcall(method->otherwise, args, flags, kwnames);
}

PyObject* bind(PyObject* self, PyObject* object, PyObject*) {
  if (object == nullptr || object == Py_None) {
    Py_INCREF(self);
    return self;
  }
  return PyMethod_New(self, object);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(of(self)->dict);
  Py_VISIT(of(self)->original);
  Py_VISIT(of(self)->otherwise);
  Py_VISIT(of(self)->others);
  return 0;
}

int clear(PyObject* self) {
  Py_CLEAR(of(self)->dict);
  return 0;
}

void dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  if (of(self)->weak_references != nullptr) PyObject_ClearWeakRefs(self);
  Py_XDECREF(of(self)->dict);
  Py_XDECREF(of(self)->original);
  Py_XDECREF(of(self)->name);
  Py_XDECREF(of(self)->otherwise);
  Py_XDECREF(of(self)->others);
  PyObject_GC_Del(self);
}

PyObject* describe(PyObject* self) {
  return PyUnicode_FromFormat("<recorded %R>", of(self)->original);
}

// Pickled by its name, as the function is that it stands for.
PyObject* reduce(PyObject* self, PyObject*) {
  return PyObject_GetAttr(self, names.qualified);
}

PyMethodDef methods[] = {
    {"__reduce__", reduce, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
PyGetSetDef attributes_of_methods[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyTypeObject method_type = compat::blank_type();

}  // namespace

bool HeldCall::hold(Method method, PyObject* args, PyObject* kwargs, bool sticky, bool late) {
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); ++i)
    held.push_back(PyRef::borrow(PyTuple_GET_ITEM(args, i)));
  const std::size_t by_position = held.size();
  names = PyRef::steal(PyTuple_New(PyDict_GET_SIZE(kwargs)));
  if (!names) return false;
  Py_ssize_t position = 0;
  PyObject* key = nullptr;
  PyObject* value = nullptr;
  for (Py_ssize_t i = 0; PyDict_Next(kwargs, &position, &key, &value) != 0; ++i) {
    Py_INCREF(key);
    PyTuple_SET_ITEM(names.get(), i, key);
    held.push_back(PyRef::borrow(value));
  }
  arguments = borrowed(held);
  call = {method,           sticky,      late,
          arguments.data(), by_position, PyTuple_GET_SIZE(names.get()) == 0 ? nullptr : names.get()};
  return true;
}

PyRef rows_of(PyObject* queryset, PyObject* alias) {
  const Attributes attributes(queryset);
  const Chain* chain = attributes ? attributes.chain() : nullptr;
  if (chain == nullptr || !recorder().face.is_on || !chain->node->is_current()) return PyRef();
  PyObject* mode = recorder().default_mode.get();
  if (attributes.is_true(names.for_write) || attributes.get(names.policy) != Py_None ||
      attributes.is_true(names.sticky) || (mode != nullptr && attributes.get(names.mode) != mode)) {
    return PyRef();
  }
  const PyRef held = PyRef::borrow(reinterpret_cast<PyObject*>(const_cast<Chain*>(chain)));
  OnMiss on_miss = OnMiss::ask;
  PyRef list = attempt_for(queryset, attributes, *chain->node, chain->values, alias, on_miss);
  if (list && on_miss != OnMiss::asked) ++recorder().hits;
  return list;
}

PyRef end_of(PyObject* queryset, PyObject* longer, PyObject* alias) {
  const Attributes attributes(queryset);
  const Chain* chain = as_chain(longer);
  if (!attributes || chain == nullptr || !is_plain_read(attributes) || !chain->node->is_current())
    return PyRef();
  OnMiss on_miss = OnMiss::ask;
  const PyRef list = attempt_for(queryset, attributes, *chain->node, chain->values, alias, on_miss);
  PyRef answer = list ? answer_of(*chain->node, list.get(), on_miss) : PyRef();
  if (answer && on_miss != OnMiss::asked) ++recorder().hits;
  return answer;
}

PyRef make_stand_in(PyRef original, PyRef name, vectorcallfunc function) {
  auto* made = PyObject_GC_New(RecordedMethod, &method_type);
  if (made == nullptr) return PyRef();
  made->vectorcall = function;
  made->dict = made->weak_references = made->otherwise = made->others = nullptr;
  made->original = original.release();
  made->name = name.release();
  made->method = Method::other;
  made->on_manager = false;
  PyObject_GC_Track(made);
  return PyRef::steal(reinterpret_cast<PyObject*>(made));
}

PyObject* original_of(PyObject* stand_in) noexcept {
  return of(stand_in)->original;
}

PyRef make_recorded_method(PyRef original, PyRef name, Method method, bool on_manager) {
  PyRef made = make_stand_in(std::move(original), std::move(name), vectorcall);
  if (!made) return made;
  of(made.get())->method = method;
  of(made.get())->on_manager = on_manager;
  return made;
}

PyRef make_diverted_method(PyRef original, PyRef otherwise, PyRef others) {
  PyRef made = make_stand_in(std::move(original), PyRef(), divert);
  if (!made) return made;
  of(made.get())->otherwise = otherwise.release();
  of(made.get())->others = others.release();
  return made;
}

bool init_recorded_methods() {
  method_type.tp_name = "django_cache_me._engine.RecordedMethod";
  method_type.tp_basicsize = sizeof(RecordedMethod);
  method_type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | compat::kMethodFlags;
  method_type.tp_vectorcall_offset = offsetof(RecordedMethod, vectorcall);
  method_type.tp_dictoffset = offsetof(RecordedMethod, dict);
  method_type.tp_weaklistoffset = offsetof(RecordedMethod, weak_references);
  method_type.tp_call = PyVectorcall_Call;
  method_type.tp_descr_get = bind;
  method_type.tp_repr = describe;
  method_type.tp_traverse = traverse;
  method_type.tp_clear = clear;
  method_type.tp_dealloc = dealloc;
  method_type.tp_methods = methods;
  method_type.tp_getset = attributes_of_methods;
  return PyType_Ready(&method_type) == 0 && intern(names.chain, "_cache_me_chain") &&
         intern(names.model, "model") && intern(names.db, "_db") && intern(names.hints, "_hints") &&
         intern(names.get_queryset, "get_queryset") && intern(names.queryset_class, "_queryset_class") &&
         intern(names.sticky, "_sticky_filter") && intern(names.defer_next, "_defer_next_filter") &&
         intern(names.cloning, "_cloning_enabled") && intern(names.result_cache, "_result_cache") &&
         intern(names.for_write, "_for_write") && intern(names.prefetches, "_prefetch_related_lookups") &&
         intern(names.policy, "_cache_me_policy") && intern(names.mode, "_fetch_mode") &&
         intern(names.known, "_known_related_objects") && intern(names.fields, "_fields") &&
         intern(names.iterable_class, "_iterable_class") && intern(names.qualified, "__qualname__");
}

}  // namespace cache_me::python
