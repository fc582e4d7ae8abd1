// Recorded querysets: how a call on a manager or queryset becomes a step, and a chain an answer.
//
// What the recorder does itself is only what was proven (nodes) or learnt (plans) before; whatever it meets
// else, it hands to Python (reading/recording.py), which has Django do it. So each function here may say "not
// by me" at any point, as long as nothing was changed by then.
#pragma once

#include <Python.h>

#include <cstdint>
#include <string>
#include <vector>

#include "recorder_attributes.hpp"
#include "recorder_chain.hpp"

namespace cache_me::python {

// What Python has given, once; kept until the process ends.
struct Face {
  bool is_on = false;
  PyRef step;   // step(queryset, method's name, args, kwargs): a call that isn't proven
  PyRef end;    // end(queryset, method's name, args, kwargs): an answer without a hit
  PyRef aside;  // aside(queryset, method's name, args, kwargs): as Django has it, the chain left as it is
  PyRef materialise;                    // materialise(queryset): its Query; the chain is dropped
  PyRef ground_of;                      // ground_of(connection) -> Ground | None
  PyRef may_hit;                        // may_hit(connection) -> bool
  PyRef add_known;                      // add_known(queryset, instances)
  PyRef get_of;                         // get_of(model, results): what get() does with them
  PyRef get_queryset;                   // of managers that are recorded
  PyRef getattribute;                   // object's
  PyRef plainness;                      // plainness(class of querysets) -> Plainness, as an int
  PyRef others;                         // set of models that aren't cached
  PyRef querysets;                      // Django's QuerySet
  PyRef running_loop;                   // asyncio's _get_running_loop
  PyRef connections;                    // Django's
  PyRef thread_local_connections;       // where they are in this thread, by alias; or null
  PyRef router;                         // Django's
  PyRef router_dict;                    // its __dict__
  PyRef pre_init_dict, post_init_dict;  // of the signals
  PyRef default_alias;
  Watches router_class;
};

struct Recorder {
  Face face;
  std::vector<Attribute> attributes;  // as Django's __init__ makes them, in its order
  PyRef default_mode;                 // Django 6.1's fetch mode of a new queryset; null before
  std::uint64_t hits = 0;
  std::uint64_t forward_hits = 0;  // of these, by recorder_forward.hpp
};

Recorder& recorder();
bool init_recorder();

// Reads within refresh_from_db() go to the database: how deep this thread is in it.
int& bypass_depth() noexcept;
// What a method asks the database is found out without asking (reading/capturing.py): how deep this thread is
// in that.
int& capture_depth() noexcept;

// The class of the querysets of managers of that class; null without an error: not recorded.
PyTypeObject* queryset_class_of(PyTypeObject* managers);
// How much of a class of querysets is as Django has it.
enum class Plainness : std::uint8_t {
  none,     // not recorded
  inside,   // all that Django's own methods rely on: steps are recorded, wherever the call comes from
  entirely  // and the recorded methods themselves: so a method may stand for those that Django has it call
};

// Never sets an error.
Plainness plainness_of(PyTypeObject* querysets);

// A queryset without a Query. `parent` is the one it is made from; null: a root, of `model`, `db` and
// `hints`.
PyRef new_queryset(PyTypeObject* type, PyObject* chain, const Attributes* parent, PyObject* model,
                   PyObject* db, PyObject* hints, bool as_clone);

// How a read is asked for.
struct Question {
  PyObject* model = nullptr;
  PyObject* db = nullptr;        // None: the router decides
  PyObject* hints = nullptr;     // dict or null
  PyObject* alias = nullptr;     // decided already, or null
  PyObject* instance = nullptr;  // the hint of that name where there are no others; or null
};

// What attempt() does with a miss, and what came of it.
enum class OnMiss : std::uint8_t { leave, ask, asked };

// The rows' list for that node and those values, if it's a hit; with OnMiss::ask also that of a miss whose
// plan knows how to ask the database, and then `on_miss` is `asked`. Null without an error: neither.
PyRef attempt(const Node& node, PyObject* const* values, const Question& question, OnMiss& on_miss);

// The same by that plan; `node` is one of the epoch that it was learnt in.
PyRef attempt_by(const std::shared_ptr<const Plan>& plan, const Node& node, PyObject* const* values,
                 OnMiss& on_miss);
// A hit, or nothing.
inline PyRef attempt_by(const std::shared_ptr<const Plan>& plan, const Node& node, PyObject* const* values) {
  OnMiss on_miss = OnMiss::leave;
  return attempt_by(plan, node, values, on_miss);
}

// The database's alias where Django's own rule decides; null without an error: the router has to be asked.
PyRef alias_for(const Question& question);
// Where it has to be asked: its answer, for a read of that model. Null: a Python error is set.
PyRef alias_by_router(PyObject* model, PyObject* hints);

// What a method that ends a chain gives for that list; null without an error: it's for Python to say. A list
// that the database was asked for isn't asked for again: what get() raises for it is raised here.
PyRef answer_of(const Node& node, PyObject* list, OnMiss on_miss);

// The entry's key as attempt() would look it up, for tests; null without an error: there's no plan.
PyRef key_for(const Node& node, PyObject* const* values, PyObject* alias);
PyRef key_by(const Plan& plan, PyObject* const* values);

}  // namespace cache_me::python
