/* Time between failures, and what hours at a higher temperature are worth. */
#ifndef TAKT_REPORTS_STATISTICS_RELIABILITY_H
#define TAKT_REPORTS_STATISTICS_RELIABILITY_H

/* Lower bound of the MTBF at `confidence` (0.9) after `hours` of all units together with
 * `failures`, the test ended by time: 2T / chi-square(confidence; 2r + 2) (MIL-HDBK-338B 8.3.2.5.2;
 * constant failure rate). NAN outside 0 < confidence < 1, hours > 0, failures >= 0. */
double reliability_mtbf_bound(double hours, int failures, double confidence);
/* The upper bound, 2T / chi-square(1 - confidence; 2r): NAN without a failure, which bounds nothing. */
double reliability_mtbf_upper(double hours, int failures, double confidence);
/* The factor by which stress at `stress_c` ages faster than use at `use_c`, exp[(Ea/k)(1/Tu -
 * 1/Ts)] with Boltzmann's k = 8.617333262e-5 eV/K; celsius, activation energy in eV. */
double reliability_arrhenius(double activation_ev, double use_c, double stress_c);

#endif
