#include "recorder_forward.hpp"

#include "compat.hpp"
#include "interned.hpp"
#include "recorder.hpp"
#include "recorder_method.hpp"
#include "refusal.hpp"

namespace cache_me::python {
namespace {

struct Names {
  PyObject* get = nullptr;
  PyObject* state = nullptr;
  PyObject* fields_cache = nullptr;
  PyObject* mode = nullptr;
  PyObject* instance = nullptr;
};
Names names;  // interned; kept until the process ends

// Over that database, or over any (null).
std::shared_ptr<const Forward> find(const Node& root, PyObject* descriptor, PyObject* alias) noexcept {
  for (const auto& one : root.forwards) {
    if (one->descriptor.get() == descriptor &&
        (alias == nullptr || PyUnicode_Compare(one->alias.get(), alias) == 0)) {
      return one;
    }
  }
  return nullptr;
}

// Whether nobody has changed what Django would call. Never sets an error.
bool holds(const Forward& forward) {
  if (!forward.watches.hold() || !forward.methods.hold() ||
      PyDict_GET_SIZE(forward.descriptor_dict.get()) != forward.descriptor_size ||
      PyDict_GET_SIZE(forward.manager_dict.get()) != forward.manager_size) {
    return false;
  }
  PyTypeObject* const querysets = queryset_class_of(Py_TYPE(forward.manager.get()));
  return reinterpret_cast<PyObject*>(querysets) == forward.querysets.get();
}

struct Parts {
  PyRef state;
  PyRef value;
};

// Null parts: the instance doesn't have them (an error may be set).
Parts parts_of(const Forward& forward, PyObject* instance) {
  PyObject* const* const values = values_in_place(forward.shape, instance);
  if (values != nullptr) {
    const std::uint8_t* const places = forward.shape.places();
    return {PyRef::borrow(values[places[0]]), PyRef::borrow(values[places[1]])};
  }
  const PyRef dict = PyRef::steal(PyObject_GenericGetDict(instance, nullptr));
  if (!dict) return {};
  const auto& both = forward.shape.names();
  return {PyRef::borrow(PyDict_GetItemWithError(dict.get(), both[0].get())),
          PyRef::borrow(PyDict_GetItemWithError(dict.get(), both[1].get()))};
}

// The dict in which an instance's state keeps related objects. Null: there's none (an error may be set).
PyRef fields_of(PyObject* state) {
  PyRef fields = PyRef::steal(PyObject_GetAttr(state, names.fields_cache));
  return fields && PyDict_CheckExact(fields.get()) ? std::move(fields) : PyRef();
}

// Whether a related object is fetched for its own instance alone, as by default.
bool fetches_one(PyObject* state) {
  PyObject* const wanted = recorder().default_mode.get();
  if (wanted == nullptr) return true;
  const PyRef mode = PyRef::steal(PyObject_GetAttr(state, names.mode));
  return mode.get() == wanted;
}

// Over the database that Django would ask. Null: there's none (an error may be set).
std::shared_ptr<const Forward> over_its_database(const Node& root, const Forward& any, PyObject* instance) {
  PyRef alias = alias_for({any.model.get(), Py_None, nullptr, nullptr, instance});
  if (!alias) {
    const PyRef hints = PyRef::steal(PyDict_New());
    if (!hints || PyDict_SetItem(hints.get(), names.instance, instance) < 0) return nullptr;
    alias = alias_by_router(any.model.get(), hints.get());
  }
  if (!alias || !PyUnicode_CheckExact(alias.get())) return nullptr;
  return find(root, any.descriptor.get(), alias.get());
}

bool keep(PyObject* fields, const PyRef& name, PyObject* object) {
  return PyDict_SetItem(fields, name.get(), object) == 0;
}

// What the descriptor gives for that instance. Null: it's for Django to say (an error may be set).
PyRef related_of(PyObject* descriptor, PyObject* instance) {
  const std::shared_ptr<Node> root = Node::known_root_of(reinterpret_cast<PyObject*>(Py_TYPE(instance)));
  if (root == nullptr || root->forwards.empty()) return PyRef();
  const std::shared_ptr<const Forward> any = find(*root, descriptor, nullptr);
  if (any == nullptr || !holds(*any)) return PyRef();
  const Parts parts = parts_of(*any, instance);
  if (!parts.state || !parts.value ||
      reinterpret_cast<PyObject*>(Py_TYPE(parts.state.get())) != any->state_class.get()) {
    return PyRef();
  }
  const PyRef fields = fields_of(parts.state.get());
  if (!fields) return PyRef();
  PyObject* const known = PyDict_GetItemWithError(fields.get(), any->cache_name.get());
  if (known != nullptr) return PyRef::borrow(known == Py_None ? nullptr : known);
  if (PyErr_Occurred() != nullptr || !fetches_one(parts.state.get())) return PyRef();
  const std::shared_ptr<const Forward> forward = over_its_database(*root, *any, instance);
  if (forward == nullptr || (forward != any && !holds(*forward)) ||
      reinterpret_cast<PyObject*>(Py_TYPE(parts.value.get())) != forward->value_class.get()) {
    return PyRef();
  }
  PyObject* const values[] = {parts.value.get()};
  const PyRef list = attempt_by(forward->plan, *root, values);
  if (!list || PyList_GET_SIZE(list.get()) != 1) return PyRef();
  PyRef related = PyRef::borrow(PyList_GET_ITEM(list.get(), 0));
  if (forward->remote_name) {
    const PyRef state = PyRef::steal(PyObject_GetAttr(related.get(), names.state));
    const PyRef remote = state ? fields_of(state.get()) : PyRef();
    if (!remote || !keep(remote.get(), forward->remote_name, instance)) return PyRef();
  }
  if (!keep(fields.get(), forward->cache_name, related.get())) return PyRef();
  ++recorder().hits;
  ++recorder().forward_hits;
  return related;
}

PyObject* access(PyObject* self, PyObject* const* args, std::size_t flags, PyObject* kwnames) {
  const Py_ssize_t count = PyVectorcall_NARGS(flags);
  if (recorder().face.is_on && kwnames == nullptr && (count == 2 || count == 3) && args[1] != Py_None) {
    PyRef related = related_of(args[0], args[1]);
    if (related) return related.release();
    if (!clear_failure()) return nullptr;
    // Django raises what else there was, at the place where it always did.
  }
  return compat::vectorcall(original_of(self), args, flags, kwnames);
}

}  // namespace

PyRef make_forward_access(PyRef original) {
  return make_stand_in(std::move(original), PyRef::borrow(names.get), access);
}

bool init_recorder_forward() {
  return intern(names.get, "__get__") && intern(names.state, "_state") &&
         intern(names.fields_cache, "fields_cache") && intern(names.mode, "fetch_mode") &&
         intern(names.instance, "instance");
}

}  // namespace cache_me::python
