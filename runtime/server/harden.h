/* What the process forbids and allows itself before it holds anything worth stealing. */
#pragma once

void harden(void); /* first of all: no core files, no debugger of the same user, all the sockets */
/* The configuration wants core files after all. */
void harden_allow_dumps(void);
