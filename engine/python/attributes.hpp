// Instances with their attributes, made without the class's own code.
//
// Two tiers. The portable one fills the instance's __dict__ through the public interface. The fast one writes
// the values to where a `self.x = …` would have put them (compat_inline.hpp), which no __dict__ has to be
// made for. Which one an instance is made in can't be told from the instance.
//
// The fast tier is on if the module was compiled for the Python that runs and a trial at import gave the
// same in both tiers. The environment variable CACHE_ME_PORTABLE_ROWS (not empty) keeps it off.
//
// All functions need the GIL (or an attached thread).
#pragma once

#include <Python.h>

#include <cstdint>
#include <vector>

#include "py_ref.hpp"

namespace cache_me::python {

// Whether the fast tier is used.
bool fast_tier() noexcept;

// The attributes that instances of one class are given, in their order; what is meant by one afterwards is
// its number in that order.
class Shape {
 public:
  // `names` are interned.
  Shape(PyRef type, std::vector<PyRef> names) : type_(std::move(type)), names_(std::move(names)) {}

  PyTypeObject* type() const noexcept { return reinterpret_cast<PyTypeObject*>(type_.get()); }
  const std::vector<PyRef>& names() const noexcept { return names_; }

  // The places of all attributes, or null: to the portable tier. They aren't known before the class has had
  // an instance with these attributes, whose keys are shared from then on.
  const std::uint8_t* places() const {
    if (!found_) find();
    return found_ && fast_tier() ? places_.data() : nullptr;
  }

 private:
  void find() const;

  PyRef type_;
  std::vector<PyRef> names_;
  // Found once and never changed then: instances may be in the making elsewhere.
  mutable std::vector<std::uint8_t> places_;
  mutable bool found_ = false;
  mutable Py_ssize_t seen_ = -1;  // so many keys were shared when they weren't found
};

// Makes one instance by calling the class, and gives it all attributes, each an empty dict, as Python would.
// To be called early for classes whose first instances have few of them: after some thirty instances a class
// shares one more key with later ones and no others. False: a Python error is set.
bool share_keys(const Shape& shape);

// An instance in the making. Functions that say false have set a Python error.
class NewObject {
 public:
  bool allocate(const Shape& shape);

  // Attributes `first` to `first + count` of the shape get these values; none of them was set before.
  bool set(const Shape& shape, std::size_t first, std::size_t count, PyObject* const* values);
  bool set(const Shape& shape, std::size_t number, PyObject* value) { return set(shape, number, 1, &value); }

  PyObject* get() const noexcept { return object_.get(); }
  PyObject* release() noexcept { return object_.release(); }

 private:
  PyRef object_;
  PyRef dict_;                            // portable tier
  void* values_ = nullptr;                // fast tier; compat::InlineValues of the object
  const std::uint8_t* places_ = nullptr;  // fast tier; the shape's
};

// Where an instance of the shape's class has its values, by places; null: it has a __dict__, or the places
// aren't known. Not to be used once other code has run.
PyObject* const* values_in_place(const Shape& shape, PyObject* object) noexcept;

// How many attributes an instance has whose values stand there.
std::size_t count_in_place(PyObject* const* values) noexcept;

// Switches it on or off, for tests and comparisons; it stays off where it isn't to be had.
void use_fast_tier(bool wanted) noexcept;

// To be called once, at import. False: a Python error is set.
bool init_attributes();

}  // namespace cache_me::python
