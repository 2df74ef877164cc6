#ifndef RESTORMER_LANE_H
#define RESTORMER_LANE_H

/// Whether the calling thread has a share of the work to itself and is not to spread it further.
int restormer_is_in_lane(void);

/// Says so, or no longer.
void restormer_set_in_lane(int is_in_lane);

#endif
