#include "recorder_aggregate.hpp"

#include <utility>

namespace cache_me::python {
namespace {

struct Names {
  PyObject* source_expressions = nullptr;
  PyObject* distinct = nullptr;
  PyObject* constructor_args = nullptr;
  PyObject* name = nullptr;
  PyObject* star = nullptr;
};
Names names;  // interned; kept until the process ends

// What a new instance of a class has, but for what is looked at by itself.
struct Sample {
  PyRef type;
  Py_ssize_t size = 0;
  std::vector<std::pair<PyRef, PyRef>> attributes;
};

struct Known {
  std::vector<Sample> samples;
  PyRef column, star;
};

// Never destroyed: Python is gone by then.
Known& known() {
  static auto* const all = new Known;
  return *all;
}

bool is_empty_dict(PyObject* value) noexcept {
  return PyDict_CheckExact(value) && PyDict_GET_SIZE(value) == 0;
}

bool has_attributes(PyObject* dict, const Sample& sample) noexcept {
  if (PyDict_GET_SIZE(dict) != sample.size) return false;
  for (const auto& [name, expected] : sample.attributes) {
    PyObject* found = PyDict_GetItemWithError(dict, name.get());
    if (found == nullptr ||
        (found != expected.get() && !(is_empty_dict(found) && is_empty_dict(expected.get())))) {
      return false;
    }
  }
  return true;
}

PyRef dict_of(PyObject* object) {
  PyRef dict = PyRef::steal(PyObject_GenericGetDict(object, nullptr));
  if (!dict) PyErr_Clear();
  return dict;
}

// The name in a plain F, or "*" for a plain Star; null: it's neither. Borrowed.
PyObject* source_of(PyObject* expression) {
  const bool is_column = reinterpret_cast<PyObject*>(Py_TYPE(expression)) == known().column.get();
  if (!is_column && reinterpret_cast<PyObject*>(Py_TYPE(expression)) != known().star.get()) return nullptr;
  const PyRef dict = dict_of(expression);
  // Django notes the arguments of constructors.
  if (!dict || PyDict_GetItemWithError(dict.get(), names.constructor_args) == nullptr ||
      PyDict_GET_SIZE(dict.get()) != (is_column ? 2 : 1)) {
    return nullptr;
  }
  if (!is_column) return names.star;
  PyObject* name = PyDict_GetItemWithError(dict.get(), names.name);
  // A column of that name isn't all rows.
  return name != nullptr && PyUnicode_CheckExact(name) && PyUnicode_Compare(name, names.star) != 0 ? name
                                                                                                   : nullptr;
}

}  // namespace

bool read_aggregate(PyObject* value, Aggregate& aggregate) {
  for (const Sample& sample : known().samples) {
    if (reinterpret_cast<PyObject*>(Py_TYPE(value)) != sample.type.get()) continue;
    const PyRef dict = dict_of(value);
    if (!dict || !has_attributes(dict.get(), sample)) return false;
    PyObject* distinct = PyDict_GetItemWithError(dict.get(), names.distinct);
    PyObject* sources = PyDict_GetItemWithError(dict.get(), names.source_expressions);
    if (distinct == nullptr || !PyBool_Check(distinct) || sources == nullptr || !PyList_CheckExact(sources) ||
        PyList_GET_SIZE(sources) != 1 ||
        PyDict_GetItemWithError(dict.get(), names.constructor_args) == nullptr) {
      return false;
    }
    aggregate.type = sample.type.get();
    aggregate.source = source_of(PyList_GET_ITEM(sources, 0));
    aggregate.distinct = distinct == Py_True;
    return aggregate.source != nullptr;
  }
  return false;
}

PyRef make_aggregate(PyObject* type, PyObject* source, bool distinct) {
  const PyRef arguments = PyRef::steal(PyTuple_Pack(1, source));
  const PyRef by_name = PyRef::steal(PyDict_New());
  if (!arguments || !by_name ||
      (distinct && PyDict_SetItem(by_name.get(), names.distinct, Py_True) < 0)) {
    return PyRef();
  }
  return PyRef::steal(PyObject_Call(type, arguments.get(), by_name.get()));
}

bool set_aggregates(const std::vector<PyRef>& samples, PyRef column, PyRef star) {
  known().samples.clear();
  for (const PyRef& instance : samples) {
    const PyRef dict = PyRef::steal(PyObject_GenericGetDict(instance.get(), nullptr));
    if (!dict) return false;
    Sample sample{PyRef::borrow(reinterpret_cast<PyObject*>(Py_TYPE(instance.get()))),
                  PyDict_GET_SIZE(dict.get()),
                  {}};
    Py_ssize_t position = 0;
    PyObject* name = nullptr;
    PyObject* value = nullptr;
    while (PyDict_Next(dict.get(), &position, &name, &value) != 0) {
      if (name != names.distinct && name != names.source_expressions && name != names.constructor_args)
        sample.attributes.emplace_back(PyRef::borrow(name), PyRef::borrow(value));
    }
    known().samples.push_back(std::move(sample));
  }
  known().column = std::move(column);
  known().star = std::move(star);
  return true;
}

bool init_recorder_aggregates() {
  const auto intern = [](PyObject*& name, const char* words) {
    name = PyUnicode_InternFromString(words);
    return name != nullptr;
  };
  return intern(names.source_expressions, "source_expressions") && intern(names.distinct, "distinct") &&
         intern(names.constructor_args, "_constructor_args") && intern(names.name, "name") &&
         intern(names.star, "*");
}

}  // namespace cache_me::python
