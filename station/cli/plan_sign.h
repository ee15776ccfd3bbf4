/* takt plan sign, takt plan accept. */
#ifndef TAKT_STATION_CLI_PLAN_SIGN_H
#define TAKT_STATION_CLI_PLAN_SIGN_H

int plan_sign(const char *reference, const char *products, const char *key);
int plan_accept(const char *reference, const char *station);

#endif
