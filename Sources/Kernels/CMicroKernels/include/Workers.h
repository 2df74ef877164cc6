#ifndef RESTORMER_WORKERS_H
#define RESTORMER_WORKERS_H

/// Calls task(context, index) for every index below `count`, on the calling thread and up to `threads` - 1 others, and
/// returns 1 when all are done; 0, with nothing done, while another call is at work, within which this one may lie.
///
/// Threads that have nothing to do look out for the next call for about 50 microseconds before they sleep: waking a
/// thread takes as long as the work of a small operator.
int restormer_share_work(long count, int threads, void (*task)(void *context, long index), void *context);

#endif
