/* A sweep through the unit's microphone or speaker, and what the microphone and speaker steps
 * report of it: response about 1 kHz, distortion along the way, rub & buzz. */
#ifndef TAKT_STATION_STEPS_SOUND_SWEEP_H
#define TAKT_STATION_STEPS_SOUND_SWEEP_H

#include "station/measure/sweep.h"
#include "station/steps/step.h"

/* The fixture plays from start_hz to end_hz at level_db_spl, the unit records at 16 kHz. */
int sound_sweep_heard(struct step_context *c, double start_hz, double end_hz, double level_db_spl,
                      struct sweep *out, struct error *err);
/* The unit plays at level_dbfs and volume, the fixture records. */
int sound_sweep_played(struct step_context *c, double start_hz, double end_hz, double level_dbfs,
                       double volume, struct sweep *out, struct error *err);

/* Least and greatest response between two frequencies, dB over that at 1 kHz. */
void sound_sweep_band(const struct sweep *s, double low_hz, double high_hz, double *least_db,
                      double *most_db);
/* Greatest distortion between two frequencies, percent. */
double sound_sweep_thd(const struct sweep *s, double low_hz, double high_hz);

#endif
