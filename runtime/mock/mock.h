/* `gateyes mock`: an upstream that speaks the providers' formats and misbehaves on command. */
#pragma once

/* Runs until SIGINT or SIGTERM. argv[0] is "mock". Exit status: 0 stopped, 1 failed, 2 usage. */
int mock_main(int argc, char **argv);
