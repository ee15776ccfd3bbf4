/* `takt qa run` of a gauge study rather than of a campaign. */
#ifndef TAKT_STATION_CLI_QA_STUDY_H
#define TAKT_STATION_CLI_QA_STUDY_H

#include "station/study/study.h"

/* argv[0] is the study's name; an exit status. */
int cli_qa_study(const struct study *study, int argc, char **argv);

#endif
