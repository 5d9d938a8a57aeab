/* A CUDA driver without a GPU: the calls that hwprof makes, on the host's memory and clock. */
#define _POSIX_C_SOURCE 199309L
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long live, contexts;
static const size_t ROOM = (size_t)1 << 30;

long stub_live(void) { return live; }
long stub_contexts(void) { return contexts; }

int cuInit(unsigned flags) { return flags != 0; }
int cuDriverGetVersion(int *version) { *version = 12080; return 0; }
int cuDeviceGet(int *device, int ordinal) {
    if (ordinal > 1) return 101;
    *device = ordinal;
    return 0;
}
int cuDeviceGetUuid_v2(unsigned char *uuid, int device) {
    for (int i = 0; i < 16; i++) uuid[i] = (unsigned char)(i * 17 + device);
    return 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    *value = attribute == 38 ? 50 << 20 : attribute == 75 ? 9 : attribute == 76 ? 0 : -1;
    return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
    (void)device;
    contexts++;
    *context = &contexts;
    return 0;
}
int cuDevicePrimaryCtxRelease_v2(int device) { (void)device; contexts--; return 0; }
int cuCtxSetCurrent(void *context) { return context != &contexts; }
int cuMemAlloc_v2(uint64_t *address, size_t size) {
    if (size > ROOM) return 2;
    live++;
    *address = (uint64_t)(uintptr_t)malloc(size);
    return 0;
}
int cuMemFree_v2(uint64_t address) { live--; free((void *)(uintptr_t)address); return 0; }
int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t size) {
    memcpy((void *)(uintptr_t)to, from, size);
    return 0;
}
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t size) {
    memcpy(to, (void *)(uintptr_t)from, size);
    return 0;
}
int cuMemsetD8Async(uint64_t to, unsigned char value, size_t size, void *stream) {
    (void)stream;
    memset((void *)(uintptr_t)to, value, size);
    return 0;
}
int cuStreamCreate(void **stream, unsigned flags) {
    live++;
    *stream = malloc(1);
    return flags != 1;
}
int cuStreamSynchronize(void *stream) { return stream == NULL; }
int cuStreamDestroy_v2(void *stream) { live--; free(stream); return 0; }
int cuEventCreate(void **event, unsigned flags) {
    live++;
    *event = calloc(1, sizeof(struct timespec));
    return flags != 0;
}
int cuEventRecord(void *event, void *stream) {
    if (stream == NULL) return 400;
    return clock_gettime(CLOCK_MONOTONIC, event);
}
int cuEventSynchronize(void *event) { return event == NULL; }
int cuEventElapsedTime(float *ms, void *start, void *end) {
    const struct timespec *a = start, *b = end;
    *ms = (float)((b->tv_sec - a->tv_sec) * 1e3 + (b->tv_nsec - a->tv_nsec) * 1e-6);
    return 0;
}
int cuEventDestroy_v2(void *event) { live--; free(event); return 0; }
int cuGetErrorName(int code, const char **name) {
    *name = code == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_UNKNOWN";
    return 0;
}
