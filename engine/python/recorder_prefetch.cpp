#include "recorder_prefetch.hpp"

#include <vector>

#include "collector_pause.hpp"
#include "compat.hpp"
#include "interned.hpp"
#include "recorder.hpp"
#include "refusal.hpp"

namespace cache_me::python {
namespace {

struct Names {
  PyObject* model = nullptr;
  PyObject* mode = nullptr;
  PyObject* lookups = nullptr;
  PyObject* result_cache = nullptr;
  PyObject* prefetch_done = nullptr;
  PyObject* known = nullptr;
  PyObject* objects_cache = nullptr;
  PyObject* instance = nullptr;
  PyObject* state = nullptr;
  PyObject* db = nullptr;
  PyObject* fields_cache = nullptr;
};
Names names;  // interned; kept until the process ends

// The related objects of all instances, before anything is given to these.
struct Fetched {
  std::shared_ptr<const Prefetch> by;
  PyRef keys;   // a list: of each instance
  PyRef lists;  // a dict: the related objects of each key
};

// {name: value}
PyRef dict_of(PyObject* name, PyObject* value) {
  PyRef dict = PyRef::steal(PyDict_New());
  return dict && PyDict_SetItem(dict.get(), name, value) == 0 ? std::move(dict) : PyRef();
}

// Whether nobody has given the managers another way to make querysets.
bool is_plain(const Prefetch& prefetch) {
  PyTypeObject* querysets = queryset_class_of(reinterpret_cast<PyTypeObject*>(prefetch.managers.get()));
  return reinterpret_cast<PyObject*>(querysets) == prefetch.querysets.get();
}

// The prefetch of that name over the database that the router wants for it; null: there's none.
std::shared_ptr<const Prefetch> find(const Node& root, PyObject* name, PyObject* hints) {
  PyRef alias;
  for (std::size_t i = 0; i < root.prefetches.size(); ++i) {
    const std::shared_ptr<const Prefetch> one = root.prefetches[i];
    if (PyUnicode_Compare(one->name.get(), name) != 0) continue;
    if (!alias) alias = alias_for({one->model.get(), Py_None, hints, nullptr});
    if (!alias) alias = alias_by_router(one->model.get(), hints);
    if (!alias || !PyUnicode_CheckExact(alias.get())) return nullptr;
    if (PyUnicode_Compare(one->alias.get(), alias.get()) == 0) return is_plain(*one) ? one : nullptr;
  }
  return nullptr;
}

// Instances of the model itself that nobody has given related objects to.
bool are_fresh(PyObject* instances, PyObject* model) {
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(instances); ++i) {
    PyObject* instance = PyList_GET_ITEM(instances, i);
    PyObject* found = nullptr;
    if (reinterpret_cast<PyObject*>(Py_TYPE(instance)) != model ||
        compat::find_attribute(instance, names.objects_cache, found) != 0) {
      Py_XDECREF(found);
      return false;
    }
  }
  return true;
}

PyRef keys_of(const Prefetch& prefetch, PyObject* instances) {
  PyRef keys = PyRef::steal(PyList_New(0));
  for (Py_ssize_t i = 0; keys && i < PyList_GET_SIZE(instances); ++i) {
    const PyRef key =
        PyRef::steal(PyObject_GetAttr(PyList_GET_ITEM(instances, i), prefetch.key_attribute.get()));
    if (!key || !PyLong_CheckExact(key.get()) || PyList_Append(keys.get(), key.get()) < 0) return PyRef();
  }
  return keys;
}

// A related object keeps the instance that it belongs to, the last one with that key.
bool keep_parent(const Prefetch& prefetch, PyObject* related, PyObject* parents, PyObject* key) {
  PyObject* parent = PyDict_GetItemWithError(parents, key);
  if (parent == nullptr) return false;
  const PyRef state = PyRef::steal(PyObject_GetAttr(related, names.state));
  const PyRef fields = state ? PyRef::steal(PyObject_GetAttr(state.get(), names.fields_cache)) : PyRef();
  if (!fields || !PyDict_CheckExact(fields.get())) return false;
  PyObject* known = PyDict_GetItemWithError(fields.get(), prefetch.parent_name.get());
  return known == nullptr && PyErr_Occurred() == nullptr &&
         PyDict_SetItem(fields.get(), prefetch.parent_name.get(), parent) == 0;
}

// Null without an error: one isn't of the prefetch's database, where Django's routers may object.
PyRef parents_of(const Prefetch& prefetch, PyObject* instances, PyObject* keys) {
  PyRef parents = PyRef::steal(PyDict_New());
  for (Py_ssize_t i = 0; parents && i < PyList_GET_SIZE(keys); ++i) {
    const PyRef state = PyRef::steal(PyObject_GetAttr(PyList_GET_ITEM(instances, i), names.state));
    const PyRef db = state ? PyRef::steal(PyObject_GetAttr(state.get(), names.db)) : PyRef();
    if (!db || !PyUnicode_CheckExact(db.get()) || PyUnicode_Compare(db.get(), prefetch.alias.get()) != 0)
      return PyRef();
    if (PyDict_SetItem(parents.get(), PyList_GET_ITEM(keys, i), PyList_GET_ITEM(instances, i)) < 0)
      return PyRef();
  }
  return parents;
}

bool add(PyObject* lists, PyObject* key, PyObject* related) {
  PyObject* list = PyDict_GetItemWithError(lists, key);
  if (list != nullptr) return PyList_Append(list, related) == 0;
  const PyRef made = PyRef::steal(PyList_New(1));
  if (!made) return false;
  Py_INCREF(related);
  PyList_SET_ITEM(made.get(), 0, related);
  return PyDict_SetItem(lists, key, made.get()) == 0;
}

// False: not by this plan (an error may be set, which is to be cleared).
bool fetch(const Node& root, PyObject* instances, Fetched& fetched) {
  const Prefetch& prefetch = *fetched.by;
  fetched.keys = keys_of(prefetch, instances);
  if (!fetched.keys) return false;
  ValueKind kind = ValueKind::refused;
  const PyRef members = members_of(fetched.keys.get(), kind);
  if (!members || kind != ValueKind::integer) return false;
  PyObject* const values[] = {members.get()};
  const PyRef related = attempt_by(prefetch.plan, root, values);
  if (!related) return false;
  const PyRef parents = prefetch.parent_name ? parents_of(prefetch, instances, fetched.keys.get()) : PyRef();
  if (prefetch.parent_name && !parents) return false;
  fetched.lists = PyRef::steal(PyDict_New());
  for (Py_ssize_t i = 0; fetched.lists && i < PyList_GET_SIZE(related.get()); ++i) {
    PyObject* one = PyList_GET_ITEM(related.get(), i);
    const PyRef key = PyRef::steal(PyObject_GetAttr(one, prefetch.value_attribute.get()));
    if (!key || !PyLong_CheckExact(key.get()) ||
        (parents && !keep_parent(prefetch, one, parents.get(), key.get())) ||
        !add(fetched.lists.get(), key.get(), one)) {
      return false;
    }
  }
  return static_cast<bool>(fetched.lists);
}

// What the instance's manager gives, with the related objects as its results.
PyRef queryset_of(const Prefetch& prefetch, PyObject* instance, PyObject* key, PyObject* results) {
  Values values;
  values.push_back(PyRef::borrow(prefetch.field ? instance : key));
  const PyRef chain = make_chain(prefetch.node, nullptr, values);
  const PyRef hints = dict_of(names.instance, instance);
  if (!chain || !hints) return PyRef();
  PyRef made = new_queryset(reinterpret_cast<PyTypeObject*>(prefetch.querysets.get()), chain.get(), nullptr,
                            prefetch.model.get(), Py_None, hints.get(), false);
  if (!made || PyObject_GenericSetAttr(made.get(), names.result_cache, results) < 0 ||
      PyObject_GenericSetAttr(made.get(), names.prefetch_done, Py_True) < 0) {
    return PyRef();
  }
  if (!prefetch.field) return made;
  const PyRef by_key = dict_of(key, instance);
  const PyRef known = by_key ? dict_of(prefetch.field.get(), by_key.get()) : PyRef();
  return known && PyObject_GenericSetAttr(made.get(), names.known, known.get()) == 0 ? std::move(made)
                                                                                     : PyRef();
}

bool give(const std::vector<Fetched>& all, PyObject* instances) {
  const CollectorPause pause(true);
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(instances); ++i) {
    const PyRef instance = PyRef::borrow(PyList_GET_ITEM(instances, i));
    const PyRef cache = PyRef::steal(PyDict_New());
    if (!cache) return false;
    for (const Fetched& fetched : all) {
      PyObject* key = PyList_GET_ITEM(fetched.keys.get(), i);
      PyRef list = PyRef::borrow(PyDict_GetItemWithError(fetched.lists.get(), key));
      if (!list) list = PyRef::steal(PyList_New(0));
      const PyRef queryset = list ? queryset_of(*fetched.by, instance.get(), key, list.get()) : PyRef();
      if (!queryset || PyDict_SetItem(cache.get(), fetched.by->cache_name.get(), queryset.get()) < 0)
        return false;
    }
    if (PyObject_SetAttr(instance.get(), names.objects_cache, cache.get()) < 0) return false;
  }
  return true;
}

}  // namespace

int prefetch_for(PyObject* queryset) {
  const Attributes attributes(queryset);
  if (!attributes || attributes.chain() == nullptr || !recorder().face.is_on) return 0;
  const PyRef results = PyRef::borrow(attributes.get(names.result_cache));
  const PyRef lookups = PyRef::borrow(attributes.get(names.lookups));
  const PyRef model = PyRef::borrow(attributes.get(names.model));
  PyObject* mode = recorder().default_mode.get();
  if (!PyList_CheckExact(results.get()) || PyList_GET_SIZE(results.get()) == 0 ||
      !PyTuple_CheckExact(lookups.get()) || PyTuple_GET_SIZE(lookups.get()) == 0 ||
      (mode != nullptr && attributes.get(names.mode) != mode)) {
    return 0;
  }
  const std::shared_ptr<Node> root = Node::root_of(model.get());
  if (root->prefetches.empty()) return 0;
  // A copy: attributes of instances may be Python code, and the list is the queryset's own.
  const PyRef instances = PyRef::steal(PyList_GetSlice(results.get(), 0, PyList_GET_SIZE(results.get())));
  if (!instances) return -1;
  if (!are_fresh(instances.get(), model.get())) return clear_failure() ? 0 : -1;
  const PyRef hints = dict_of(names.instance, PyList_GET_ITEM(instances.get(), 0));
  std::vector<Fetched> all;
  for (Py_ssize_t i = 0; hints && i < PyTuple_GET_SIZE(lookups.get()); ++i) {
    PyObject* name = PyTuple_GET_ITEM(lookups.get(), i);
    Fetched fetched;
    if (PyUnicode_CheckExact(name)) fetched.by = find(*root, name, hints.get());
    for (const Fetched& other : all) {
      if (fetched.by == other.by) fetched.by = nullptr;
    }
    if (!fetched.by || !fetch(*root, instances.get(), fetched)) break;
    all.push_back(std::move(fetched));
  }
  if (all.size() != static_cast<std::size_t>(PyTuple_GET_SIZE(lookups.get()))) {
    return clear_failure() ? 0 : -1;
  }
  if (!give(all, instances.get())) return -1;
  recorder().hits += all.size();
  return 1;
}

bool init_recorder_prefetch() {
  return intern(names.model, "model") && intern(names.mode, "_fetch_mode") &&
         intern(names.lookups, "_prefetch_related_lookups") && intern(names.result_cache, "_result_cache") &&
         intern(names.prefetch_done, "_prefetch_done") && intern(names.known, "_known_related_objects") &&
         intern(names.objects_cache, "_prefetched_objects_cache") && intern(names.instance, "instance") &&
         intern(names.state, "_state") && intern(names.db, "db") &&
         intern(names.fields_cache, "fields_cache");
}

}  // namespace cache_me::python
