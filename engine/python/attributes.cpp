// Before all that includes Python.h.
#include "compat_inline.hpp"
// clang-format off
#include "attributes.hpp"
// clang-format on

#include <cstdlib>

namespace cache_me::python {
namespace {

bool available = false;
bool in_use = false;
PyObject* no_arguments = nullptr;  // an empty tuple; kept until the process ends

PyRef interned(const char* name) {
  return PyRef::steal(PyUnicode_InternFromString(name));
}

// An instance of `shape`, its three attributes set in one tier or the other.
PyRef probe(const Shape& shape, bool fast) {
  in_use = fast;
  PyObject* const values[] = {Py_None, shape.names()[0].get(), Py_False};
  NewObject object;
  const bool made =
      object.allocate(shape) && object.set(shape, 0, 2, values) && object.set(shape, 2, values[2]);
  const bool in_tier = (shape.places() != nullptr) == fast;
  in_use = false;
  return made && in_tier ? PyRef::steal(object.release()) : PyRef();
}

// Its attributes in order.
PyRef attributes_of(const PyRef& object) {
  const PyRef dict = PyRef::steal(PyObject_GetAttrString(object.get(), "__dict__"));
  return dict ? PyRef::steal(PyDict_Items(dict.get())) : PyRef();
}

// Gives it one more attribute, changes one and deletes one: what is written must be as good as Python's own.
bool live(const PyRef& object) {
  return PyObject_SetAttrString(object.get(), "later", Py_True) == 0 &&
         PyObject_SetAttrString(object.get(), "first", Py_True) == 0 &&
         PyObject_SetAttrString(object.get(), "second", nullptr) == 0;
}

bool are_equal(const PyRef& one, const PyRef& other) {
  return one && other && PyObject_RichCompareBool(one.get(), other.get(), Py_EQ) == 1;
}

// Whether both tiers give the same. An error on the way is a no.
bool trial() {
  PyRef type =
      PyRef::steal(PyObject_CallFunction(reinterpret_cast<PyObject*>(&PyType_Type), "s(){}", "Trial"));
  std::vector<PyRef> names;
  for (const char* name : {"first", "second", "third"}) {
    names.push_back(interned(name));
    if (!names.back()) return false;
  }
  if (!type) return false;
  const Shape shape(std::move(type), std::move(names));
  if (!share_keys(shape)) return false;
  const PyRef portable = probe(shape, false);
  if (!portable) return false;
  const PyRef attributes = attributes_of(portable);
  const PyRef fast = probe(shape, true);
  const PyRef untouched = probe(shape, true);
  return fast && untouched && are_equal(attributes, attributes_of(fast)) && live(portable) && live(fast) &&
         live(untouched) && are_equal(attributes_of(portable), attributes_of(fast)) &&
         are_equal(attributes_of(portable), attributes_of(untouched));
}

}  // namespace

void Shape::find() const {
  if (!in_use) return;
  auto* const keys = compat::shared_keys(type());
  if (keys == nullptr || compat::shared_keys_count(keys) == seen_) return;
  std::vector<std::uint8_t> places;
  for (const PyRef& name : names_) {
    const int place = compat::place_of(keys, name.get());
    if (place < 0) {
      seen_ = compat::shared_keys_count(keys);
      return;
    }
    places.push_back(static_cast<std::uint8_t>(place));
  }
  places_ = std::move(places);
  found_ = true;
}

bool share_keys(const Shape& shape) {
  const PyRef object =
      PyRef::steal(PyObject_CallFunctionObjArgs(reinterpret_cast<PyObject*>(shape.type()), nullptr));
  for (const PyRef& name : shape.names()) {
    const PyRef value = PyRef::steal(PyDict_New());
    if (!object || !value || PyObject_SetAttr(object.get(), name.get(), value.get()) < 0) return false;
  }
  return true;
}

bool NewObject::allocate(const Shape& shape) {
  PyTypeObject* const type = shape.type();
  if constexpr (compat::kInlineValues) {
    places_ = shape.places();
    if (places_ != nullptr) {
      compat::InlineValues* values = nullptr;
      object_ = PyRef::steal(compat::allocate_inline(type, no_arguments, values));
      values_ = values;
      if (!object_ || values_ != nullptr) return static_cast<bool>(object_);
    }
  }
  if (!object_) object_ = PyRef::steal(type->tp_alloc(type, 0));
  if (!object_) return false;
  dict_ = PyRef::steal(PyObject_GenericGetDict(object_.get(), nullptr));
  return static_cast<bool>(dict_);
}

bool NewObject::set(const Shape& shape, std::size_t first, std::size_t count, PyObject* const* values) {
  if constexpr (compat::kInlineValues) {
    if (values_ != nullptr) {
      compat::append_inline(static_cast<compat::InlineValues*>(values_), places_ + first, count, values);
      return true;
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (PyDict_SetItem(dict_.get(), shape.names()[first + i].get(), values[i]) < 0) return false;
  }
  return true;
}

PyObject* const* values_in_place(const Shape& shape, PyObject* object) noexcept {
  if constexpr (compat::kInlineValues) {
    if (Py_TYPE(object) == shape.type() && shape.places() != nullptr) return compat::values_of(object);
  }
  return nullptr;
}

std::size_t count_in_place(PyObject* const* values) noexcept {
  return compat::count_of(values);
}

bool fast_tier() noexcept {
  return in_use;
}

void use_fast_tier(bool wanted) noexcept {
  in_use = wanted && available;
}

bool init_attributes() {
  no_arguments = PyTuple_New(0);
  if (no_arguments == nullptr) return false;
  const char* const unwanted = std::getenv("CACHE_ME_PORTABLE_ROWS");
  available = compat::kInlineValues && compat::is_the_build() && trial();
  PyErr_Clear();
  in_use = available && (unwanted == nullptr || *unwanted == '\0');
  return true;
}

}  // namespace cache_me::python
