/* The subcommands of `takt plan`, each with argv as `takt plan` got it. */
#ifndef TAKT_STATION_CLI_PLAN_SIMULATE_H
#define TAKT_STATION_CLI_PLAN_SIMULATE_H

int plan_simulate(int argc, char **argv);

#endif
