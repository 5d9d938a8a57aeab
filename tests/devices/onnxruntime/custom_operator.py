"""The source of a library with one operator, against ONNX Runtime's C interface.

The wheel has no headers. Of the interface a table of functions is enough, whose places never change
(onnxruntime_c_api.h: functions are only ever added at the end).
"""

from __future__ import annotations

SOURCE = """
#include <stddef.h>
#include <stdint.h>

typedef struct {
  const void *const *(*get_api)(uint32_t version);
  const char *(*version)(void);
} Base;
typedef void *(*Function)();

enum { API_VERSION = 14, CREATE_DOMAIN = 26, ADD_OPERATOR = 27, ADD_DOMAIN = 28 };

static const Function *api;

typedef struct Operator Operator;
struct Operator {
  uint32_t version;
  void *(*create_kernel)(const Operator *, const Function *, const void *);
  const char *(*name)(const Operator *);
  const char *(*provider)(const Operator *);
  int (*input_type)(const Operator *, size_t);
  size_t (*input_count)(const Operator *);
  int (*output_type)(const Operator *, size_t);
  size_t (*output_count)(const Operator *);
  void (*compute)(void *, void *);
  void (*destroy)(void *);
  int (*input_characteristic)(const Operator *, size_t);
  int (*output_characteristic)(const Operator *, size_t);
  int (*input_memory)(const Operator *, size_t);
  int (*variadic_input_least)(const Operator *);
  int (*variadic_input_alike)(const Operator *);
  int (*variadic_output_least)(const Operator *);
  int (*variadic_output_alike)(const Operator *);
  void *more[16];
};

enum { INPUT = 90, OUTPUT = 91, DATA = 51, SHAPE_OF = 65 };
enum { DIMS_COUNT = 61, DIMS = 62, ELEMENTS = 64, RELEASE = 99 };

static void compute(void *kernel, void *context) {
  void *in = 0, *out = 0, *shape = 0;
  float *from = 0, *to = 0;
  size_t rank = 0, count = 0;
  int64_t dims[8];
  api[INPUT](context, (size_t)0, &in);
  api[SHAPE_OF](in, &shape);
  api[DIMS_COUNT](shape, &rank);
  api[DIMS](shape, dims, rank);
  api[ELEMENTS](shape, &count);
  api[RELEASE](shape);
  api[OUTPUT](context, (size_t)0, dims, rank, &out);
  api[DATA](in, (void **)&from);
  api[DATA](out, (void **)&to);
  for (size_t i = 0; i < count; i++) to[i] = 2 * from[i];
}

static void *create(const Operator *op, const Function *a, const void *info) { return (void *)op; }
static const char *name(const Operator *op) { return "Twice"; }
static const char *provider(const Operator *op) { return 0; }
static int float_type(const Operator *op, size_t i) { return 1; }
static size_t one(const Operator *op) { return 1; }
static void destroy(void *kernel) {}
static int required(const Operator *op, size_t i) { return 0; }
static int none(const Operator *op) { return 1; }

static Operator twice = {
    API_VERSION, create, name, provider, float_type, one, float_type, one, compute,
    destroy, required, required, required, none, none, none, none, {0}};

void *RegisterCustomOps(void *options, const Base *base) {
  void *domain = 0, *status;
  api = (const Function *)base->get_api(API_VERSION);
  if ((status = api[CREATE_DOMAIN]("acme", &domain))) return status;
  if ((status = api[ADD_OPERATOR](domain, &twice))) return status;
  return api[ADD_DOMAIN](options, domain);
}
"""
