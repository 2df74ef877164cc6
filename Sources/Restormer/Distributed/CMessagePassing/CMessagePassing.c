#include "CMessagePassing.h"
