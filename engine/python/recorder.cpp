#include "recorder.hpp"

#include <nanobind/nanobind.h>

#include <array>
#include <unordered_map>

#include "compat.hpp"
#include "interned.hpp"
#include "recorder_ground.hpp"
#include "refusal.hpp"

namespace nb = nanobind;

namespace cache_me::python {
namespace {

struct Names {
  PyObject* ground = nullptr;
  PyObject* routers = nullptr;
  PyObject* db_for_read = nullptr;
  PyObject* instance = nullptr;
  PyObject* state = nullptr;
  PyObject* db = nullptr;
  PyObject* receivers = nullptr;
  PyObject* chain = nullptr;
  PyObject* policy = nullptr;
  PyObject* fields = nullptr;
  PyObject* iterable_class = nullptr;
  PyObject* sticky = nullptr;
  PyObject* getattribute = nullptr;
  PyObject* get_queryset = nullptr;
  PyObject* queryset_class = nullptr;
};
Names names;  // interned; kept until the process ends

// What Python has said of a class, until somebody changes it.
struct Known {
  PyRef type;
  unsigned version = 0;
  PyRef answer;
};
using KnownClasses = std::unordered_map<PyTypeObject*, Known>;
constexpr std::size_t kMostClasses = 4096;
// Of a queryset of Django's.
constexpr std::size_t kMostAttributes = 32;

// Never destroyed: Python is gone by then.
KnownClasses& known_querysets() {
  static auto* const all = new KnownClasses;
  return *all;
}

// Python's answer for that class, borrowed; never sets an error (what raises is answered by null).
PyObject* ask(KnownClasses& known, PyTypeObject* type, PyObject* question) {
  const auto found = known.find(type);
  if (found != known.end() && found->second.version != 0 &&
      found->second.version == compat::version_of(type)) {
    return found->second.answer.get();
  }
  // Before it is asked: what is changed meanwhile makes another number.
  const unsigned version = compat::settled_version_of(type);
  PyRef answer =
      PyRef::steal(PyObject_CallFunctionObjArgs(question, reinterpret_cast<PyObject*>(type), nullptr));
  if (!answer) {
    PyErr_Clear();
    return nullptr;
  }
  if (known.size() >= kMostClasses) known.clear();
  Known& entry = known[type];
  entry = {PyRef::borrow(reinterpret_cast<PyObject*>(type)), version, std::move(answer)};
  return entry.answer.get();
}

bool nobody_listens(const PyRef& signal) noexcept {
  PyObject* receivers = PyDict_GetItemWithError(signal.get(), names.receivers);
  return receivers != nullptr && PyList_CheckExact(receivers) && PyList_GET_SIZE(receivers) == 0;
}

// Whether nobody listens to the making of the plan's instances: nobody at all, or else Python has to look.
bool is_unheard(const Plan& plan) {
  const Face& face = recorder().face;
  if (nobody_listens(face.pre_init_dict) && nobody_listens(face.post_init_dict)) return true;
  const PyRef answer = PyRef::steal(compat::call(plan.is_unheard.get()));
  if (!answer) clear_failure();
  return answer.get() == Py_True;
}

bool has_no_routers() noexcept {
  const Face& face = recorder().face;
  PyObject* routers = PyDict_GetItemWithError(face.router_dict.get(), names.routers);
  return routers != nullptr && PyList_CheckExact(routers) && PyList_GET_SIZE(routers) == 0 &&
         PyDict_GetItemWithError(face.router_dict.get(), names.db_for_read) == nullptr &&
         face.router_class.hold();
}

// The alias where Django's own rule decides; null without an error: the router has to be asked.
PyRef alias_of(const Question& question) {
  if (question.alias != nullptr) return PyRef::borrow(question.alias);
  if (question.db != Py_None) return PyRef::borrow(question.db);
  if (!has_no_routers()) return PyRef();
  PyObject* instance = question.instance;
  if (question.hints != nullptr) instance = PyDict_GetItemWithError(question.hints, names.instance);
  if (instance != nullptr && instance != Py_None) {
    const PyRef state = PyRef::steal(PyObject_GetAttr(instance, names.state));
    PyRef db = state ? PyRef::steal(PyObject_GetAttr(state.get(), names.db)) : PyRef();
    if (!db) {
      PyErr_Clear();
      return PyRef();
    }
    if (PyUnicode_CheckExact(db.get()) && PyUnicode_GET_LENGTH(db.get()) > 0) return db;
    if (db.get() != Py_None) return PyRef();
  }
  return PyRef::borrow(recorder().face.default_alias.get());
}

PyRef connection_of(PyObject* alias) {
  const Face& face = recorder().face;
  if (face.thread_local_connections) {
    PyRef found = PyRef::steal(PyObject_GetAttr(face.thread_local_connections.get(), alias));
    if (found) return found;
    PyErr_Clear();
  }
  return PyRef::steal(PyObject_GetItem(face.connections.get(), alias));
}

bool same_text(PyObject* one, PyObject* other) noexcept {
  return one == other ||
         (PyUnicode_CheckExact(one) && PyUnicode_CheckExact(other) && PyUnicode_Compare(one, other) == 0);
}

// Kept for as long as it's used: other threads may drop all shapes whenever Python code runs.
std::shared_ptr<const Plan> plan_for(const Node& node, PyObject* alias) noexcept {
  for (const auto& plan : node.plans) {
    if (same_text(plan->alias.get(), alias)) return plan;
  }
  return nullptr;
}

// The connection's ground, if it holds; made anew if need be. Null without an error: there's none.
PyRef ground_of(PyObject* connection, PyObject* dict) {
  PyRef ground = PyRef::borrow(PyDict_GetItemWithError(dict, names.ground));
  if (ground && ground.get() != Py_None && nb::inst_ptr<Ground>(nb::handle(ground.get()))->holds())
    return ground;
  ground = PyRef::steal(PyObject_CallFunctionObjArgs(recorder().face.ground_of.get(), connection, nullptr));
  if (!ground) clear_failure();
  return ground && ground.get() != Py_None ? std::move(ground) : PyRef();
}

}  // namespace

Recorder& recorder() {
  static auto* const all = new Recorder;
  return *all;
}

int& bypass_depth() noexcept {
  thread_local int depth = 0;
  return depth;
}

int& capture_depth() noexcept {
  thread_local int depth = 0;
  return depth;
}

// Looked up each time: Django counts managers in an attribute of their class, so that CPython gives up on
// numbering the versions of these classes as soon as some related managers were made.
PyTypeObject* queryset_class_of(PyTypeObject* managers) {
  const Face& face = recorder().face;
  if (managers->tp_getattro != PyObject_GenericGetAttr &&
      _PyType_Lookup(managers, names.getattribute) != face.getattribute.get()) {
    return nullptr;
  }
  if (_PyType_Lookup(managers, names.get_queryset) != face.get_queryset.get()) return nullptr;
  PyObject* answer = _PyType_Lookup(managers, names.queryset_class);
  if (answer == nullptr || !PyType_Check(answer)) return nullptr;
  auto* type = reinterpret_cast<PyTypeObject*>(answer);
  return plainness_of(type) == Plainness::entirely ? type : nullptr;
}

Plainness plainness_of(PyTypeObject* querysets) {
  PyObject* answer = ask(known_querysets(), querysets, recorder().face.plainness.get());
  const long plainness = answer != nullptr && PyLong_CheckExact(answer) ? PyLong_AsLong(answer) : 0;
  if (plainness != 0 && need_recorded_shape(querysets, recorder().attributes) == nullptr)
    return Plainness::none;
  return plainness == 2 ? Plainness::entirely : plainness == 1 ? Plainness::inside : Plainness::none;
}

namespace {

// The value of one attribute of a new queryset: borrowed, or of `own`. Null: a Python error is set.
PyObject* value_of(const Attribute& attribute, const Attributes* parent, PyObject* model, PyObject* db,
                   PyObject* hints, PyRef& own) {
  using Kind = Attribute::Kind;
  if (attribute.kind == Kind::fixed) return attribute.value.get();
  PyObject* inherited =
      parent == nullptr || attribute.kind == Kind::new_dict ? nullptr : parent->find(attribute.name.get());
  switch (attribute.kind) {
    case Kind::copied:
      return inherited != nullptr ? inherited : attribute.value.get();
    case Kind::model:
      return inherited != nullptr ? inherited : model;
    case Kind::db:
      return inherited != nullptr ? inherited : db;
    case Kind::hints: {
      PyObject* given = inherited != nullptr ? inherited : hints;
      // Django's `hints or {}`
      if (given != nullptr && given != Py_None && !(PyDict_CheckExact(given) && PyDict_GET_SIZE(given) == 0))
        return given;
      break;
    }
    case Kind::known:
      if (inherited != nullptr) return inherited;
      break;
    default:
      break;
  }
  own = PyRef::steal(PyDict_New());
  return own.get();
}

// What a step gives its querysets in place of what they would inherit; null: nothing.
PyObject* given_by(const Node& node, PyObject* name) {
  if (name == names.sticky) return Py_False;
  if (name == names.fields) return node.fields.get();
  return name == names.iterable_class ? node.iterable_class.get() : nullptr;
}

}  // namespace

PyRef new_queryset(PyTypeObject* type, PyObject* chain, const Attributes* parent, PyObject* model,
                   PyObject* db, PyObject* hints, bool as_clone) {
  const std::vector<Attribute>& attributes = recorder().attributes;
  const Shape* shape = need_recorded_shape(type, attributes);
  const Chain* recorded = as_chain(chain);
  if (shape == nullptr || attributes.size() > kMostAttributes) {
    PyErr_SetString(PyExc_RuntimeError, "querysets of that class aren't recorded");
    return PyRef();
  }
  std::array<PyObject*, kMostAttributes + 1> values;
  std::array<PyRef, kMostAttributes> owned;
  for (std::size_t i = 0; i < attributes.size(); ++i) {
    PyObject* given =
        as_clone || recorded == nullptr ? nullptr : given_by(*recorded->node, attributes[i].name.get());
    values[i] = given != nullptr ? given : value_of(attributes[i], parent, model, db, hints, owned[i]);
    if (values[i] == nullptr) return PyRef();
  }
  values[attributes.size()] = chain;
  NewObject made;
  if (!made.allocate(*shape) || !made.set(*shape, 0, attributes.size() + 1, values.data())) return PyRef();
  PyObject* policy = parent == nullptr ? nullptr : parent->find(names.policy);
  if (policy != nullptr && !made.set(*shape, attributes.size() + 1, policy)) return PyRef();
  return PyRef::steal(made.release());
}

PyRef attempt(const Node& node, PyObject* const* values, const Question& question, OnMiss& on_miss) {
  if (node.plans.empty() || !recorder().face.is_on) return PyRef();
  const PyRef alias = alias_of(question);
  if (!alias) return PyRef();
  return attempt_by(plan_for(node, alias.get()), node, values, on_miss);
}

PyRef alias_for(const Question& question) {
  return alias_of(question);
}

PyRef alias_by_router(PyObject* model, PyObject* hints) {
  const PyRef ask = PyRef::steal(PyObject_GetAttr(recorder().face.router.get(), names.db_for_read));
  const PyRef arguments = PyRef::steal(PyTuple_Pack(1, model));
  return ask && arguments ? PyRef::steal(PyObject_Call(ask.get(), arguments.get(), hints)) : PyRef();
}

namespace {

PyRef ask_database(const Plan& plan, PyObject* const* values, const std::string& key, PyObject* connection,
                   PyObject* ground, bool is_plain) {
  const PyRef miss = PyRef::borrow(plan.miss.get());  // it may be taken off meanwhile
  const PyRef statement = plan.statement(values, connection);
  if (!statement) clear_refusal();  // Django raises it at the place where it always did
  const PyRef at = PyRef::steal(PyBytes_FromStringAndSize(key.data(), static_cast<Py_ssize_t>(key.size())));
  if (!statement || !at) return PyRef();
  PyObject* const arguments[] = {statement.get(), at.get(), connection, ground,
                                 is_plain ? Py_True : Py_False};
  PyRef list = PyRef::steal(compat::vectorcall(miss.get(), arguments, std::size(arguments), nullptr));
  return list && PyList_CheckExact(list.get()) ? std::move(list) : PyRef();
}

}  // namespace

PyRef attempt_by(const std::shared_ptr<const Plan>& plan, const Node& node, PyObject* const* values,
                 OnMiss& on_miss) {
  const Face& face = recorder().face;
  if (plan == nullptr || bypass_depth() != 0 || !plan->watches.hold()) return PyRef();
  if (plan->is_unheard && !is_unheard(*plan)) return PyRef();
  const PyRef loop = PyRef::steal(compat::call(face.running_loop.get()));
  if (loop.get() != Py_None) {
    PyErr_Clear();
    return PyRef();
  }
  const PyRef connection = connection_of(plan->alias.get());
  if (!connection) return PyRef();
  const PyRef dict = PyRef::steal(PyObject_GenericGetDict(connection.get(), nullptr));
  if (!dict) return PyRef();
  const PyRef held = ground_of(connection.get(), dict.get());
  if (!held) return PyRef();
  const auto* ground = nb::inst_ptr<Ground>(nb::handle(held.get()));
  if (ground->whose != plan->whose) return PyRef();
  const Ground::Standing standing = ground->standing(connection.get(), dict.get(), face.may_hit.get());
  if (standing == Ground::Standing::may_not) {
    clear_failure();
    return PyRef();
  }
  // What was called may have dropped every shape, and this plan with it.
  if (!node.is_current()) return PyRef();
  thread_local std::string kept;
  std::string key;  // what makes results may come back here
  std::swap(key, kept);
  PyRef list;
  if (plan->make_key(values, connection.get(), key) && node.is_current()) {
    list = plan->look_up(key, *ground, connection.get(), recorder().default_mode.get());
    if (!list && PyErr_Occurred() == nullptr && on_miss == OnMiss::ask && plan->miss && !ground->rows_of &&
        node.is_current() && standing != Ground::Standing::closed) {
      list =
          ask_database(*plan, values, key, connection.get(), held.get(), standing == Ground::Standing::plain);
      if (list) on_miss = OnMiss::asked;
    }
  } else {
    clear_refusal();
  }
  std::swap(key, kept);
  return list;
}

PyRef answer_of(const Node& node, PyObject* list, OnMiss on_miss) {
  const Method method = node.step().method;
  const Py_ssize_t size = PyList_GET_SIZE(list);
  PyObject* first = size == 0 ? nullptr : PyList_GET_ITEM(list, 0);
  switch (method) {
    case Method::get:
      if (size == 1) return PyRef::borrow(first);
      if (on_miss != OnMiss::asked) return PyRef();
      return PyRef::steal(
          PyObject_CallFunctionObjArgs(recorder().face.get_of.get(), node.model(), list, nullptr));
    case Method::first:
    case Method::last:
      return PyRef::borrow(first == nullptr ? Py_None : first);
    case Method::exists:
      if (first != nullptr && !PyTuple_CheckExact(first)) return PyRef();
      return PyRef::borrow(first != nullptr && PyTuple_GET_SIZE(first) != 0 ? Py_True : Py_False);
    case Method::count:
      if (first == nullptr || !PyTuple_CheckExact(first) || PyTuple_GET_SIZE(first) == 0) return PyRef();
      first = PyTuple_GET_ITEM(first, 0);
      return PyLong_CheckExact(first) ? PyRef::borrow(first) : PyRef();
    case Method::aggregate:
      return first != nullptr && PyDict_CheckExact(first) ? PyRef::borrow(first) : PyRef();
    default:
      return PyRef();
  }
}

PyRef key_for(const Node& node, PyObject* const* values, PyObject* alias) {
  const std::shared_ptr<const Plan> plan = plan_for(node, alias);
  return plan == nullptr ? PyRef() : key_by(*plan, values);
}

PyRef key_by(const Plan& plan, PyObject* const* values) {
  const PyRef connection = connection_of(plan.alias.get());
  std::string key;
  if (!connection || !plan.make_key(values, connection.get(), key)) return PyRef();
  return PyRef::steal(PyBytes_FromStringAndSize(key.data(), static_cast<Py_ssize_t>(key.size())));
}

bool init_recorder() {
  return intern(names.ground, "_cache_me_ground") && intern(names.routers, "routers") &&
         intern(names.db_for_read, "db_for_read") && intern(names.instance, "instance") &&
         intern(names.state, "_state") && intern(names.db, "db") && intern(names.receivers, "receivers") &&
         intern(names.chain, "_cache_me_chain") && intern(names.policy, "_cache_me_policy") &&
         intern(names.fields, "_fields") && intern(names.iterable_class, "_iterable_class") &&
         intern(names.sticky, "_sticky_filter") && intern(names.getattribute, "__getattribute__") &&
         intern(names.get_queryset, "get_queryset") && intern(names.queryset_class, "_queryset_class");
}

}  // namespace cache_me::python
