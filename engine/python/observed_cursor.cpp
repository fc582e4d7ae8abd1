#include "observed_cursor.hpp"

#include <algorithm>
#include <cstddef>

#include "compat.hpp"
#include "connection_state.hpp"
#include "cursor_fields.hpp"
#include "interned.hpp"
#include "single_way.hpp"

namespace cache_me::python {
namespace {

struct Names {
  PyObject* execute = nullptr;
  PyObject* fetchone = nullptr;
  PyObject* fetchmany = nullptr;
  PyObject* fetchall = nullptr;
  PyObject* close = nullptr;
  PyObject* description = nullptr;
  PyObject* rowcount = nullptr;
  PyObject* autocommit = nullptr;
};
Names names;  // interned; kept until the process ends

PyTypeObject observer_type = compat::blank_type();
PyTypeObject cursor_type = compat::blank_type();

Cursor* of(PyObject* self) noexcept {
  return reinterpret_cast<Cursor*>(self);
}

// Whether it has nothing to end but, at most, its being unfinished.
bool only_reads(const Cursor* cursor) noexcept {
  return is_empty_set(cursor->written) && cursor->announcement == nullptr && cursor->is_pending == 0;
}

// The driver's cursor by itself would not be observed, and this one would be dropped too early.
PyObject* itself_for(PyObject* self, PyRef result) {
  if (result.get() != of(self)->cursor) return result.release();
  Py_INCREF(self);
  return self;
}

PyRef call_driver(Cursor* cursor, PyObject* name, PyObject* const* args = nullptr, Py_ssize_t count = 0,
                  PyObject* kwnames = nullptr) {
  constexpr std::size_t kMost = 4;
  const std::size_t by_name = kwnames == nullptr ? 0 : static_cast<std::size_t>(PyTuple_GET_SIZE(kwnames));
  const std::size_t all = static_cast<std::size_t>(count) + by_name;
  if (all > kMost) {
    const PyRef method = PyRef::steal(PyObject_GetAttr(cursor->cursor, name));
    return method ? PyRef::steal(
                        compat::vectorcall(method.get(), args, static_cast<std::size_t>(count), kwnames))
                  : PyRef();
  }
  PyObject* with_cursor[kMost + 1] = {cursor->cursor};
  std::copy_n(args, all, with_cursor + 1);
  return PyRef::steal(compat::call_method(name, with_cursor, static_cast<std::size_t>(count) + 1, kwnames));
}

bool tell(const PyRef& function, PyObject* self) {
  const PyRef fields = fields_of(of(self));
  return fields && PyRef::steal(compat::call(function.get(), fields.get()));
}

bool count_unfinished(Cursor* cursor, bool more) {
  PyObject* const before = *slot_at(cursor->state, state_slots().unfinished_cursors);
  const long number = before == nullptr ? 0 : PyLong_AsLong(before);
  PyRef after = PyRef::steal(PyLong_FromLong(number + (more ? 1 : -1)));
  if (!after) return false;
  replace_slot(cursor->state, state_slots().unfinished_cursors, std::move(after));
  cursor->unfinished = more ? 1 : 0;
  return true;
}

bool exhausted(PyObject* self) {
  Cursor* cursor = of(self);
  if (cursor->unfinished == 0) return true;
  if (only_reads(cursor) && cursor->lazy == 0) return count_unfinished(cursor, false);
  return tell(cursor_face().exhausted, self);
}

// Keeps the error that is set, and lets code run meanwhile. What that raises takes its place.
template <typename Function>
void aside(Function function) {
  PyObject* type = nullptr;
  PyObject* value = nullptr;
  PyObject* trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  if (function()) {
    PyErr_Restore(type, value, trace);
    return;
  }
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(trace);
}

// --- What executes ---

// Whether what the statement finds is as it is for nearly all: in autocommit, with nothing written before
// that has yet to be told.
bool is_at_rest(Cursor* cursor) {
  if (!only_reads(cursor)) return false;
  if (!is_empty_set(*slot_at(cursor->state, state_slots().written))) return false;
  const PyRef own = PyRef::steal(PyObject_GenericGetDict(cursor->wrapper, nullptr));
  PyObject* const autocommit = own ? PyDict_GetItemWithError(own.get(), names.autocommit) : nullptr;
  return autocommit == Py_True;
}

// Whether executing this text makes a snapshot, borrowed; null (maybe with an error): it isn't to be executed
// here.
PyObject* plain_read(Cursor* cursor, PyObject* const* args, Py_ssize_t count, PyObject* kwnames) {
  const bool by_name = kwnames != nullptr && PyTuple_GET_SIZE(kwnames) != 0;
  if (by_name || count < 1 || count > 2 || !PyUnicode_CheckExact(args[0]) ||
      !PyDict_CheckExact(cursor->observer->plain_reads)) {
    return nullptr;
  }
  PyObject* makes_snapshot = cursor->observer->known->find(args[0]);
  if (makes_snapshot == nullptr) {
    makes_snapshot = PyDict_GetItemWithError(cursor->observer->plain_reads, args[0]);
    if (makes_snapshot != nullptr) cursor->observer->known->add(args[0], makes_snapshot);
  }
  return makes_snapshot != nullptr && is_at_rest(cursor) ? makes_snapshot : nullptr;
}

PyObject* read(PyObject* self, PyObject* const* args, Py_ssize_t count, bool makes_snapshot) {
  Cursor* cursor = of(self);
  if (cursor->unfinished != 0 && !count_unfinished(cursor, false)) return nullptr;
  PyRef result = call_driver(cursor, names.execute, args, count);
  if (!result) return nullptr;
  if (makes_snapshot && *slot_at(cursor->state, state_slots().snapshot_exists) != Py_True) {
    replace_slot(cursor->state, state_slots().snapshot_exists, PyRef::borrow(Py_True));
  }
  if (cursor->observer->lasting) {
    const PyRef description = PyRef::steal(PyObject_GetAttr(cursor->cursor, names.description));
    if (!description || (description.get() != Py_None && !count_unfinished(cursor, true))) return nullptr;
  }
  return itself_for(self, std::move(result));
}

PyObject* hand_over(const PyRef& function, PyObject* self, PyObject* const* args, Py_ssize_t count,
                    PyObject* kwnames) {
  if (count == 0) {
    PyErr_SetString(PyExc_TypeError, "missing 1 required positional argument: 'sql'");
    return nullptr;
  }
  const PyRef fields = fields_of(of(self));
  const PyRef positional = PyRef::steal(PyTuple_New(count - 1));
  const PyRef by_name = PyRef::steal(PyDict_New());
  if (!fields || !positional || !by_name) return nullptr;
  for (Py_ssize_t i = 1; i < count; ++i) {
    Py_INCREF(args[i]);
    PyTuple_SET_ITEM(positional.get(), i - 1, args[i]);
  }
  for (Py_ssize_t i = 0; kwnames != nullptr && i < PyTuple_GET_SIZE(kwnames); ++i) {
    if (PyDict_SetItem(by_name.get(), PyTuple_GET_ITEM(kwnames, i), args[count + i]) < 0) return nullptr;
  }
  PyRef result = PyRef::steal(PyObject_CallFunctionObjArgs(function.get(), fields.get(), args[0],
                                                           positional.get(), by_name.get(), nullptr));
  return result ? itself_for(self, std::move(result)) : nullptr;
}

void tell_listener(const char* what) {
  if (!single_listener()) return;
  aside([&] {
    if (!PyRef::steal(PyObject_CallFunction(single_listener().get(), "s", what)))
      PyErr_WriteUnraisable(single_listener().get());
    return true;
  });
}

// The statement has raised, and Python says what becomes of its intent.
bool fail_singly(Cursor* cursor, PyObject* object, SingleWay& way, Intent& intent) {
  try {
    const PyRef told = object_of(std::move(intent));
    return told && PyRef::steal(PyObject_CallFunctionObjArgs(cursor_face().single_failed.get(), cursor->state,
                                                             object, told.get(), nullptr));
  } catch (const std::exception&) {  // there's no memory: as if nothing were known of the outcome
    way.writes.table().keep(std::move(intent));
    PyErr_NoMemory();
    return false;
  }
}

// A statement that is a commit of its own and writes known rows (writing/single.py). Null without an error:
// it's for the long way.
PyObject* write_singly(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* kwnames) {
  Cursor* cursor = of(self);
  SingleWay* const way = single_way_of(*slot_at(cursor->state, state_slots().single_writes));
  if (way == nullptr || count != 2 || (kwnames != nullptr && PyTuple_GET_SIZE(kwnames) != 0) ||
      !PyUnicode_CheckExact(args[0]) || cursor->unfinished != 0 || !only_reads(cursor)) {
    return nullptr;
  }
  const PyRef held = PyRef::borrow(*slot_at(cursor->state, state_slots().single_writes));
  std::optional<Intent> intent;
  try {
    intent = way->declare(cursor->state, args[0], args[1]);
  } catch (const std::exception&) {  // there's no memory
    return PyErr_NoMemory();
  }
  if (!intent) return nullptr;
  tell_listener("declared");
  PyRef result = call_driver(cursor, names.execute, args, count);
  if (!result) {
    aside([&] { return fail_singly(cursor, held.get(), *way, *intent); });
    return nullptr;
  }
  tell_listener("executed");
  if (!way->writes.finish(std::move(*intent)) &&
      !PyRef::steal(compat::call(cursor_face().single_lost.get(), held.get()))) {
    return nullptr;
  }
  ++single_bumps();
  tell_listener("finished");
  return itself_for(self, std::move(result));
}

PyObject* execute(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* kwnames) {
  PyObject* makes_snapshot = plain_read(of(self), args, count, kwnames);
  if (makes_snapshot != nullptr) return read(self, args, count, makes_snapshot == Py_True);
  PyErr_Clear();  // no code was run; whatever it was is met again
  PyObject* const written = write_singly(self, args, count, kwnames);
  if (written != nullptr || PyErr_Occurred() != nullptr) return written;
  return hand_over(cursor_face().execute, self, args, count, kwnames);
}

PyObject* executemany(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* kwnames) {
  return hand_over(cursor_face().executemany, self, args, count, kwnames);
}

// --- What fetches ---

PyObject* fetched(PyObject* self, PyRef rows, bool is_the_end) {
  if (!rows) {
    aside([&] { return tell(cursor_face().failed, self); });
    return nullptr;
  }
  return !is_the_end || exhausted(self) ? rows.release() : nullptr;
}

PyObject* fetchone(PyObject* self, PyObject*) {
  PyRef row = call_driver(of(self), names.fetchone);
  const bool is_the_end = row.get() == Py_None;
  return fetched(self, std::move(row), is_the_end);
}

PyObject* fetchmany(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* kwnames) {
  PyRef rows = call_driver(of(self), names.fetchmany, args, count, kwnames);
  if (!rows || of(self)->unfinished == 0) return fetched(self, std::move(rows), false);
  const int any = PyObject_IsTrue(rows.get());
  return any < 0 ? nullptr : fetched(self, std::move(rows), any == 0);
}

PyObject* fetchall(PyObject* self, PyObject*) {
  return fetched(self, call_driver(of(self), names.fetchall), true);
}

PyObject* iterate(PyObject* self) {
  Cursor* cursor = of(self);
  if (cursor->unfinished == 0) return PyObject_GetIter(cursor->cursor);
  const PyRef fields = fields_of(cursor);
  return fields ? compat::call(cursor_face().rows.get(), fields.get()) : nullptr;
}

PyObject* next(PyObject* self) {
  PyObject* cursor = of(self)->cursor;
  const iternextfunc next_of = Py_TYPE(cursor)->tp_iternext;
  if (next_of == nullptr) {
    return PyErr_Format(PyExc_TypeError, "'%.200s' object is not an iterator", Py_TYPE(cursor)->tp_name);
  }
  PyObject* row = next_of(cursor);
  if (row == nullptr && (PyErr_Occurred() == nullptr || PyErr_ExceptionMatches(PyExc_StopIteration) != 0))
    aside([&] { return exhausted(self); });
  return row;
}

// --- What ends its work ---

bool close_driver(PyObject* self, PyRef& result) {
  result = call_driver(of(self), names.close);
  return static_cast<bool>(result);
}

bool end_of_close(PyObject* self) {
  Cursor* cursor = of(self);
  if (!only_reads(cursor)) return tell(cursor_face().finish, self);
  return cursor->unfinished == 0 || count_unfinished(cursor, false);
}

PyObject* close(PyObject* self, PyObject*) {
  if (of(self)->lazy != 0 && !tell(cursor_face().drain, self)) return nullptr;
  PyRef result;
  if (!close_driver(self, result)) {
    aside([&] { return end_of_close(self); });
    return nullptr;
  }
  return end_of_close(self) ? result.release() : nullptr;
}

PyObject* enter(PyObject* self, PyObject*) {
  Py_INCREF(self);
  return self;
}

PyObject* leave(PyObject* self, PyObject*) {
  const PyRef closed = PyRef::steal(close(self, nullptr));
  if (!closed) return nullptr;
  Py_RETURN_NONE;
}

bool has_work(const Cursor* cursor) noexcept {
  return cursor->unfinished != 0 || cursor->announcement != nullptr || cursor->is_pending != 0;
}

void finalise(PyObject* self) {
  if (!has_work(of(self))) return;
  aside([&] {
    if (!tell(cursor_face().dropped, self)) PyErr_WriteUnraisable(self);
    return true;
  });
}

// --- All else is the driver's ---

PyObject* get_rowcount(PyObject* self, void*) {  // asked for after each write
  return PyObject_GetAttr(of(self)->cursor, names.rowcount);
}

PyObject* get_class(PyObject* self, void*) {  // isinstance(cursor.cursor, sqlite3.Cursor) and its like
  PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(of(self)->cursor));
  Py_INCREF(type);
  return type;
}

PyObject* get_attribute(PyObject* self, PyObject* name) {
  // Its own are methods and getters all, of a class that nobody changes.
  if (PyObject* own = _PyType_Lookup(Py_TYPE(self), name)) {
    const descrgetfunc get = Py_TYPE(own)->tp_descr_get;
    return get == nullptr ? PyObject_GenericGetAttr(self, name)
                          : get(own, self, reinterpret_cast<PyObject*>(Py_TYPE(self)));
  }
  PyRef attribute = PyRef::steal(PyObject_GetAttr(of(self)->cursor, name));
  if (!attribute || PyCallable_Check(attribute.get()) == 0) return attribute.release();
  const int is_harmless = PySet_Contains(cursor_face().harmless.get(), name);
  if (is_harmless != 0) return is_harmless < 0 ? nullptr : attribute.release();
  const PyRef fields = fields_of(of(self));
  return fields ? PyObject_CallFunctionObjArgs(cursor_face().driver_call.get(), fields.get(), attribute.get(),
                                               name, nullptr)
                : nullptr;
}

int set_attribute(PyObject* self, PyObject* name, PyObject* value) {
  return PyObject_SetAttr(of(self)->cursor, name, value);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  const Cursor* cursor = of(self);
  Py_VISIT(reinterpret_cast<PyObject*>(cursor->observer));
  Py_VISIT(cursor->wrapper);
  Py_VISIT(cursor->state);
  Py_VISIT(cursor->cursor);
  Py_VISIT(cursor->announcement);
  Py_VISIT(cursor->written);
  return 0;
}

// What it can't do without stays: whoever still reaches the cursor may use it. The driver's cursor knows
// nothing of this one, so no cycle leads through it alone.
int clear(PyObject* self) {
  Py_CLEAR(of(self)->announcement);
  return 0;
}

void dealloc(PyObject* self) {
  if (has_work(of(self)) && PyObject_CallFinalizerFromDealloc(self) < 0) return;
  PyObject_GC_UnTrack(self);
  Cursor* cursor = of(self);
  if (cursor->weak_references != nullptr) PyObject_ClearWeakRefs(self);
  Py_XDECREF(reinterpret_cast<PyObject*>(cursor->observer));
  Py_XDECREF(cursor->wrapper);
  Py_XDECREF(cursor->state);
  Py_XDECREF(cursor->cursor);
  Py_XDECREF(cursor->announcement);
  Py_XDECREF(cursor->written);
  PyObject_GC_Del(self);
}

template <typename Function>
PyCFunction as_method(Function function) noexcept {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef cursor_methods[] = {
    {"execute", as_method(execute), METH_FASTCALL | METH_KEYWORDS, nullptr},
    {"executemany", as_method(executemany), METH_FASTCALL | METH_KEYWORDS, nullptr},
    {"fetchone", fetchone, METH_NOARGS, nullptr},
    {"fetchmany", as_method(fetchmany), METH_FASTCALL | METH_KEYWORDS, nullptr},
    {"fetchall", fetchall, METH_NOARGS, nullptr},
    {"close", close, METH_NOARGS, nullptr},
    {"__enter__", enter, METH_NOARGS, nullptr},
    {"__exit__", leave, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef cursor_attributes[] = {
    {"rowcount", get_rowcount, nullptr, nullptr, nullptr},
    {"__class__", get_class, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

// --- What makes them ---

PyObject* observe(PyObject* self, PyObject* const* args, std::size_t flags, PyObject* kwnames) {
  if (PyVectorcall_NARGS(flags) != 3 || kwnames != nullptr) {
    PyErr_SetString(PyExc_TypeError, "observe(wrapper, state, cursor)");
    return nullptr;
  }
  if (!state_slots().is_state(args[1])) {
    PyErr_SetString(PyExc_TypeError, "the state of a connection is expected");
    return nullptr;
  }
  auto* made = PyObject_GC_New(Cursor, &cursor_type);
  if (made == nullptr) return nullptr;
  for (int i = 0; i < 3; ++i) Py_INCREF(args[i]);
  Py_INCREF(self);
  made->weak_references = nullptr;
  made->observer = reinterpret_cast<Observer*>(self);
  made->wrapper = args[0];
  made->state = args[1];
  made->cursor = args[2];
  made->announcement = made->written = nullptr;
  made->unfinished = made->lazy = made->is_pending = 0;
  PyObject_GC_Track(made);
  return reinterpret_cast<PyObject*>(made);
}

// Observers are as many as drivers, and last as long as the process.
void dealloc_observer(PyObject* self) {
  auto* observer = reinterpret_cast<Observer*>(self);
  Py_XDECREF(observer->driver);
  Py_XDECREF(observer->plain_reads);
  delete observer->known;
  PyObject_Free(self);
}

}  // namespace

CursorFace& cursor_face() {
  static auto* const face = new CursorFace;
  return *face;
}

PyRef& single_listener() {
  static auto* const listener = new PyRef;
  return *listener;
}

std::uint64_t& single_bumps() noexcept {
  static std::uint64_t bumps = 0;
  return bumps;
}

PyRef make_observer(PyRef driver, PyRef plain_reads, bool lasting) {
  auto* made = PyObject_New(Observer, &observer_type);
  if (made == nullptr) return PyRef();
  made->vectorcall = observe;
  made->driver = driver.release();
  made->plain_reads = plain_reads.release();
  made->known = new KnownTexts;
  made->lasting = lasting;
  return PyRef::steal(reinterpret_cast<PyObject*>(made));
}

bool init_observed_cursors() {
  observer_type.tp_name = "django_cache_me._engine.CursorObserver";
  observer_type.tp_basicsize = sizeof(Observer);
  observer_type.tp_flags = Py_TPFLAGS_DEFAULT | compat::kCallableFlags;
  observer_type.tp_vectorcall_offset = offsetof(Observer, vectorcall);
  observer_type.tp_call = PyVectorcall_Call;
  observer_type.tp_dealloc = dealloc_observer;

  cursor_type.tp_name = "django_cache_me._engine.ObservedCursor";
  cursor_type.tp_doc = "Stands between Django's cursor wrapper and the driver's cursor.";
  cursor_type.tp_basicsize = sizeof(Cursor);
  cursor_type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_FINALIZE;
  cursor_type.tp_weaklistoffset = offsetof(Cursor, weak_references);
  cursor_type.tp_traverse = traverse;
  cursor_type.tp_clear = clear;
  cursor_type.tp_dealloc = dealloc;
  cursor_type.tp_finalize = finalise;
  cursor_type.tp_iter = iterate;
  cursor_type.tp_iternext = next;
  cursor_type.tp_getattro = get_attribute;
  cursor_type.tp_setattro = set_attribute;
  cursor_type.tp_methods = cursor_methods;
  cursor_type.tp_getset = cursor_attributes;

  return PyType_Ready(&observer_type) == 0 && PyType_Ready(&cursor_type) == 0 && init_cursor_fields() &&
         intern(names.execute, "execute") && intern(names.fetchone, "fetchone") &&
         intern(names.fetchmany, "fetchmany") && intern(names.fetchall, "fetchall") &&
         intern(names.close, "close") && intern(names.description, "description") &&
         intern(names.rowcount, "rowcount") && intern(names.autocommit, "autocommit");
}

}  // namespace cache_me::python
