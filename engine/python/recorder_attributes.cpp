#include "recorder_attributes.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <unordered_map>

#include "interned.hpp"

namespace cache_me::python {
namespace {

struct Names {
  PyObject* query = nullptr;
  PyObject* chain = nullptr;
  PyObject* policy = nullptr;
  PyObject* deferred_filter = nullptr;
  PyObject* model = nullptr;
};
Names names;  // interned; kept until the process ends

// Kept for ever, for whoever reads a queryset may be holding one.
constexpr std::size_t kMostShapes = 4096;

struct Recorded {
  explicit Recorded(Shape all) : shape(std::move(all)) {}

  Shape shape;
  // Of what a Glance asks for, once the shape has places.
  std::array<std::uint8_t, Glance::kCount> places{};
  bool has_places = false;
};
using Shapes = std::unordered_map<PyTypeObject*, std::unique_ptr<Recorded>>;

Shapes& shapes() {
  static auto* const all = new Shapes;
  return *all;
}

// Most calls are about a class that the one before was about.
Recorded* last = nullptr;

Recorded* find_recorded(PyTypeObject* querysets) noexcept {
  if (last != nullptr && last->shape.type() == querysets) return last;
  const auto found = shapes().find(querysets);
  if (found == shapes().end()) return nullptr;
  last = found->second.get();
  return last;
}

bool find_places(Recorded& recorded) noexcept {
  const std::uint8_t* const places = recorded.shape.places();
  if (places == nullptr) return false;
  PyObject* const wanted[] = {names.chain, names.policy, names.query, names.deferred_filter, names.model};
  const std::vector<PyRef>& all = recorded.shape.names();
  for (std::size_t i = 0; i < Glance::kCount; ++i) {
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const PyRef& name) { return name.get() == wanted[i]; });
    if (found == all.end()) return false;
    recorded.places[i] = places[found - all.begin()];
  }
  recorded.has_places = true;
  return true;
}

// An instance with all attributes, so that the class shares their keys with those that come.
bool share_keys_unmade(const Shape& shape) {
  const PyRef object = PyRef::steal(shape.type()->tp_alloc(shape.type(), 0));
  if (!object) return false;
  for (const PyRef& name : shape.names()) {
    if (PyObject_GenericSetAttr(object.get(), name.get(), Py_None) < 0) return false;
  }
  return true;
}

}  // namespace

const Shape* recorded_shape(PyTypeObject* querysets) noexcept {
  const Recorded* found = find_recorded(querysets);
  return found == nullptr ? nullptr : &found->shape;
}

const Shape* need_recorded_shape(PyTypeObject* querysets, const std::vector<Attribute>& attributes) {
  if (const Shape* known = recorded_shape(querysets)) return known;
  if (shapes().size() >= kMostShapes) return nullptr;
  std::vector<PyRef> all;
  for (const Attribute& attribute : attributes) all.push_back(PyRef::borrow(attribute.name.get()));
  all.push_back(PyRef::borrow(names.chain));
  all.push_back(PyRef::borrow(names.policy));
  all.push_back(PyRef::borrow(names.query));
  auto made = std::make_unique<Recorded>(
      Shape(PyRef::borrow(reinterpret_cast<PyObject*>(querysets)), std::move(all)));
  if (!share_keys_unmade(made->shape)) PyErr_Clear();
  return &shapes().emplace(querysets, std::move(made)).first->second->shape;
}

Glance::Glance(PyObject* queryset) noexcept {
  Recorded* recorded = find_recorded(Py_TYPE(queryset));
  if (recorded == nullptr || (!recorded->has_places && !find_places(*recorded))) return;
  values_ = values_in_place(recorded->shape, queryset);
  places_ = recorded->places.data();
}

Attributes::Attributes(PyObject* object) : object_(object), shape_(recorded_shape(Py_TYPE(object))) {
  if (shape_ != nullptr && values_in_place(*shape_, object) == nullptr) shape_ = nullptr;
  if (shape_ == nullptr) need_dict();
}

Attributes Attributes::of_dict(PyObject* dict) {
  Attributes made;
  made.dict_ = PyRef::borrow(dict);
  return made;
}

PyObject* Attributes::find(PyObject* name) const noexcept {
  // Asked each time: whatever ran meanwhile may have made its __dict__.
  PyObject* const* const values = shape_ == nullptr ? nullptr : values_in_place(*shape_, object_);
  if (values != nullptr) {
    const std::vector<PyRef>& known = shape_->names();
    const std::uint8_t* const places = shape_->places();
    for (std::size_t i = 0; i < known.size(); ++i) {
      if (known[i].get() == name) return values[places[i]];
    }
  }
  PyObject* const dict = need_dict();
  return dict == nullptr ? nullptr : PyDict_GetItemWithError(dict, name);
}

const Chain* Attributes::chain() const noexcept {
  const Chain* chain = as_chain(find(names.chain));
  return chain == nullptr || find(names.query) != nullptr ? nullptr : chain;
}

PyObject* Attributes::need_dict() const noexcept {
  if (!dict_) {
    dict_ = PyRef::steal(PyObject_GenericGetDict(object_, nullptr));
    if (!dict_) PyErr_Clear();
  }
  return dict_.get();
}

bool Attributes::set(PyObject* name, PyObject* value) {
  if (need_dict() != nullptr) return PyDict_SetItem(dict_.get(), name, value) == 0;
  PyErr_NoMemory();
  return false;
}

bool Attributes::remove(PyObject* name) {
  if (need_dict() != nullptr) return PyDict_DelItem(dict_.get(), name) == 0;
  PyErr_NoMemory();
  return false;
}

bool init_recorder_attributes() {
  return intern(names.query, "_query") && intern(names.chain, "_cache_me_chain") &&
         intern(names.policy, "_cache_me_policy") && intern(names.deferred_filter, "_deferred_filter") &&
         intern(names.model, "model");
}

}  // namespace cache_me::python
