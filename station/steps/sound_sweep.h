/* A sweep through the unit's microphone or speaker, and what the microphone and speaker steps
 * report of it: response about 1 kHz, distortion along the way, rub & buzz. */
#ifndef TAKT_STATION_STEPS_SOUND_SWEEP_H
#define TAKT_STATION_STEPS_SOUND_SWEEP_H

#include "station/measure/sweep.h"
#include "station/steps/step.h"

/* clock_ppm: by how much the unit's converters run faster than the fixture's, as a tone told (0:
 * not known). The sweep that the recording is held against is made as it is on the recorder's
 * clock: undone drift smears the impulse along its length, and harmonics with it.
 *
 * The fixture plays from start_hz to end_hz at level_db_spl, the unit records at 16 kHz. */
int sound_sweep_heard(struct step_context *c, double start_hz, double end_hz, double level_db_spl,
                      double clock_ppm, struct sweep *out, struct error *err);
/* The unit plays at level_dbfs and volume, the fixture records. */
int sound_sweep_played(struct step_context *c, double start_hz, double end_hz, double level_dbfs,
                       double volume, double clock_ppm, struct sweep *out, struct error *err);

/* Least and greatest response between two frequencies, dB over that at 1 kHz. */
void sound_sweep_band(const struct sweep *s, double low_hz, double high_hz, double *least_db,
                      double *most_db);
/* Greatest distortion between two frequencies, percent. */
double sound_sweep_thd(const struct sweep *s, double low_hz, double high_hz);

#endif
