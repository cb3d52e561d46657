/* Threads, sockets, signals, and the order of reload and drain. */
#pragma once

/* The subcommand `serve`: returns the exit status when the gateway has stopped. */
int server_main(int argc, char **argv);

/* Between these two, scripts may run (script/watchdog.h): for commands that run them without a
 * gateway. */
void server_watch_begin(void);
void server_watch_end(void);
