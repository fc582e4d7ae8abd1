#include "recorder_aggregate.hpp"

#include <memory>
#include <utility>

#include "attributes.hpp"
#include "interned.hpp"

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

// What a new instance of a class has.
struct Sample {
  struct Attribute {
    PyObject* name = nullptr;  // the shape's
    PyRef expected;            // null: it is looked at by itself
  };
  Shape shape;
  std::vector<Attribute> attributes;  // as in the shape
};

struct Known {
  std::vector<Sample> aggregates;
  std::unique_ptr<Sample> column, star;
};

// Never destroyed: Python is gone by then.
Known& known() {
  static auto* const all = new Known;
  return *all;
}

bool is_empty_dict(PyObject* value) noexcept {
  return PyDict_CheckExact(value) && PyDict_GET_SIZE(value) == 0;
}

// The attributes of an object of the sample's class, read by their places or else by its __dict__.
class Reader {
 public:
  Reader(const Sample& sample, PyObject* object)
      : shape_(sample.shape), values_(values_in_place(sample.shape, object)) {
    if (values_ != nullptr) return;
    dict_ = PyRef::steal(PyObject_GenericGetDict(object, nullptr));
    if (!dict_) PyErr_Clear();
  }

  std::size_t count() const noexcept {
    if (values_ != nullptr) return count_in_place(values_);
    return dict_ ? static_cast<std::size_t>(PyDict_GET_SIZE(dict_.get())) : 0;
  }

  // Borrowed; null: there's none.
  PyObject* get(std::size_t number) const noexcept {
    if (values_ != nullptr) return values_[shape_.places()[number]];
    return dict_ ? PyDict_GetItemWithError(dict_.get(), shape_.names()[number].get()) : nullptr;
  }

 private:
  const Shape& shape_;
  PyObject* const* values_;
  PyRef dict_;
};

// Whether the object has the sample's attributes and no others, all as they are in the sample. Those that are
// looked at by themselves: see `look(name, value)`.
template <typename Look>
bool is_like(const Sample& sample, PyObject* object, Look look) {
  if (Py_TYPE(object) != sample.shape.type()) return false;
  const Reader reader(sample, object);
  if (reader.count() != sample.attributes.size()) return false;
  for (std::size_t i = 0; i < sample.attributes.size(); ++i) {
    const auto& [name, expected] = sample.attributes[i];
    PyObject* found = reader.get(i);
    if (found == nullptr) return false;
    if (!expected ? !look(name, found)
                  : found != expected.get() && !(is_empty_dict(found) && is_empty_dict(expected.get()))) {
      return false;
    }
  }
  return true;
}

// The name that an object like the sample has; null: it isn't like that. Borrowed.
PyObject* name_in(const Sample& sample, PyObject* expression) {
  PyObject* source = nullptr;
  const bool is_one = is_like(sample, expression, [&](PyObject* name, PyObject* value) {
    if (name != names.name) return name == names.constructor_args;
    source = value;
    return PyUnicode_CheckExact(value) != 0;
  });
  return is_one ? source : nullptr;
}

// The name in a plain F, or "*" for a plain Star; null: it's neither. Borrowed.
PyObject* source_of(PyObject* expression) {
  if (Py_TYPE(expression) == known().star->shape.type())
    return is_like(*known().star, expression,
                   [](PyObject* name, PyObject*) { return name == names.constructor_args; })
               ? names.star
               : nullptr;
  PyObject* const source = name_in(*known().column, expression);
  // A column of that name isn't all rows.
  return source != nullptr && PyUnicode_Compare(source, names.star) != 0 ? source : nullptr;
}

bool sample_of(PyObject* instance, std::unique_ptr<Sample>& sample) {
  const PyRef dict = PyRef::steal(PyObject_GenericGetDict(instance, nullptr));
  if (!dict) return false;
  std::vector<PyRef> all;
  std::vector<Sample::Attribute> attributes;
  Py_ssize_t position = 0;
  PyObject* name = nullptr;
  PyObject* value = nullptr;
  while (PyDict_Next(dict.get(), &position, &name, &value) != 0) {
    const bool by_itself = name == names.distinct || name == names.source_expressions ||
                           name == names.constructor_args || name == names.name;
    all.push_back(PyRef::borrow(name));
    attributes.push_back({name, by_itself ? PyRef() : PyRef::borrow(value)});
  }
  Shape shape(PyRef::borrow(reinterpret_cast<PyObject*>(Py_TYPE(instance))), std::move(all));
  sample = std::make_unique<Sample>(Sample{std::move(shape), std::move(attributes)});
  return true;
}

}  // namespace

bool read_aggregate(PyObject* value, Aggregate& aggregate) {
  for (const Sample& sample : known().aggregates) {
    if (Py_TYPE(value) != sample.shape.type()) continue;
    aggregate = {reinterpret_cast<PyObject*>(Py_TYPE(value)), nullptr, false};
    const bool read = is_like(sample, value, [&](PyObject* name, PyObject* found) {
      if (name == names.distinct) {
        aggregate.distinct = found == Py_True;
        return PyBool_Check(found) != 0;
      }
      if (name != names.source_expressions) return name == names.constructor_args;
      if (!PyList_CheckExact(found) || PyList_GET_SIZE(found) != 1) return false;
      aggregate.source = source_of(PyList_GET_ITEM(found, 0));
      return aggregate.source != nullptr;
    });
    return read && aggregate.source != nullptr;
  }
  return false;
}

PyRef make_aggregate(PyObject* type, PyObject* source, bool distinct) {
  const PyRef arguments = PyRef::steal(PyTuple_Pack(1, source));
  const PyRef by_name = PyRef::steal(PyDict_New());
  if (!arguments || !by_name || (distinct && PyDict_SetItem(by_name.get(), names.distinct, Py_True) < 0)) {
    return PyRef();
  }
  return PyRef::steal(PyObject_Call(type, arguments.get(), by_name.get()));
}

PyObject* read_column(PyObject* value) {
  return known().column ? name_in(*known().column, value) : nullptr;
}

PyRef make_column(PyObject* name) {
  PyObject* const type = reinterpret_cast<PyObject*>(known().column->shape.type());
  return PyRef::steal(PyObject_CallFunctionObjArgs(type, name, nullptr));
}

bool set_aggregates(const std::vector<PyRef>& aggregates, const PyRef& column, const PyRef& star) {
  known().aggregates.clear();
  std::unique_ptr<Sample> sample;
  for (const PyRef& instance : aggregates) {
    if (!sample_of(instance.get(), sample)) return false;
    known().aggregates.push_back(std::move(*sample));
  }
  return sample_of(column.get(), known().column) && sample_of(star.get(), known().star);
}

bool init_recorder_aggregates() {
  return intern(names.source_expressions, "source_expressions") && intern(names.distinct, "distinct") &&
         intern(names.constructor_args, "_constructor_args") && intern(names.name, "name") &&
         intern(names.star, "*");
}

}  // namespace cache_me::python
