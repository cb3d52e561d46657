/* Threads, sockets, signals, and the order of reload and drain. */
#pragma once

/* The subcommand `serve`: returns the exit status when the gateway has stopped. */
int server_main(int argc, char **argv);
