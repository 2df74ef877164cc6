// Signal masks.
#define _POSIX_C_SOURCE 200809L

#include "Workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

// Rounds of looking out before a thread sleeps: about 50 microseconds.
enum { PATIENCE = 1000, MOST_HELPERS = 1023 };

static struct {
  // Held by the call that is at work.
  pthread_mutex_t owner;
  // What it wants done. Read by helpers only while `is_open`.
  void (*task)(void *context, long index);
  void *context;
  // Threads that take part, each of which begins with a share of its own: neighbours among tasks work on neighbours in
  // memory, and those of the next call find them in the same core's cache.
  int threads;
  struct {
    _Alignas(64) atomic_long next;
    long end;
  } shares[MOST_HELPERS + 1];
  atomic_int is_open;
  // Helpers that may be working.
  atomic_int inside;
  // Changes with every call.
  atomic_uint call;

  pthread_mutex_t lock;
  pthread_cond_t called, finished;
  atomic_int sleepers, owner_sleeps;
  int created;
} pool = {
    .owner = PTHREAD_MUTEX_INITIALIZER,
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .called = PTHREAD_COND_INITIALIZER,
    .finished = PTHREAD_COND_INITIALIZER,
};

static inline void look_away(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#endif
}

// First the own share, then what is left of the others'.
static void work(int own) {
  for (int i = 0; i < pool.threads; ++i) {
    const int share = (own + i) % pool.threads;
    for (long index; (index = atomic_fetch_add(&pool.shares[share].next, 1)) < pool.shares[share].end;)
      pool.task(pool.context, index);
  }
}

static void wait_for_call(unsigned seen) {
  for (int i = 0; i < PATIENCE; ++i) {
    if (atomic_load(&pool.call) != seen) return;
    look_away();
  }
  pthread_mutex_lock(&pool.lock);
  // Whoever calls after this wakes sleepers; whoever called before has changed `call`.
  atomic_fetch_add(&pool.sleepers, 1);
  while (atomic_load(&pool.call) == seen) pthread_cond_wait(&pool.called, &pool.lock);
  atomic_fetch_sub(&pool.sleepers, 1);
  pthread_mutex_unlock(&pool.lock);
}

static void *help(void *number) {
  const int own = (int)(long)number;
  for (unsigned seen = 0;;) {
    wait_for_call(seen);
    seen = atomic_load(&pool.call);
    // The owner closes, then counts who is inside; helpers enter, then look whether it is open: one sees the other.
    atomic_fetch_add(&pool.inside, 1);
    if (atomic_load(&pool.is_open) && own < pool.threads) work(own);
    if (atomic_fetch_sub(&pool.inside, 1) == 1 && atomic_load(&pool.owner_sleeps)) {
      pthread_mutex_lock(&pool.lock);
      pthread_cond_signal(&pool.finished);
      pthread_mutex_unlock(&pool.lock);
    }
  }
  return 0;
}

// Helpers leave all signals to the threads that were there before.
static void create_helpers(int wanted) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (pool.created < wanted && pool.created < MOST_HELPERS) {
    pthread_t thread;
    // With fewer helpers the work is done all the same.
    if (pthread_create(&thread, 0, help, (void *)(long)(pool.created + 1))) break;
    pthread_detach(thread);
    pool.created++;
  }
  pthread_sigmask(SIG_SETMASK, &before, 0);
}

static void wait_for_helpers(void) {
  for (int i = 0; i < PATIENCE; ++i) {
    if (!atomic_load(&pool.inside)) return;
    look_away();
  }
  pthread_mutex_lock(&pool.lock);
  atomic_store(&pool.owner_sleeps, 1);
  while (atomic_load(&pool.inside)) pthread_cond_wait(&pool.finished, &pool.lock);
  atomic_store(&pool.owner_sleeps, 0);
  pthread_mutex_unlock(&pool.lock);
}

int restormer_share_work(long count, int threads, void (*task)(void *context, long index), void *context) {
  if (threads > MOST_HELPERS) threads = MOST_HELPERS;
  if (pthread_mutex_trylock(&pool.owner)) return 0;
  if (pool.created < threads - 1) create_helpers(threads - 1);
  pool.task = task;
  pool.context = context;
  pool.threads = threads;
  for (int i = 0; i < threads; ++i) {
    atomic_store(&pool.shares[i].next, count * i / threads);
    pool.shares[i].end = count * (i + 1) / threads;
  }
  atomic_store(&pool.is_open, 1);
  atomic_fetch_add(&pool.call, 1);
  if (atomic_load(&pool.sleepers)) {
    pthread_mutex_lock(&pool.lock);
    pthread_cond_broadcast(&pool.called);
    pthread_mutex_unlock(&pool.lock);
  }
  work(0);
  atomic_store(&pool.is_open, 0);
  wait_for_helpers();
  pthread_mutex_unlock(&pool.owner);
  return 1;
}
