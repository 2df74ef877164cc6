#include "Lane.h"

static _Thread_local int is_in_lane = 0;

int restormer_is_in_lane(void) { return is_in_lane; }

void restormer_set_in_lane(int value) { is_in_lane = value; }
