/* Time between failures, and what hours at a higher temperature are worth. */
#ifndef TAKT_REPORTS_STATISTICS_RELIABILITY_H
#define TAKT_REPORTS_STATISTICS_RELIABILITY_H

/* Lower bound of the MTBF at `confidence` (0.9) after `hours` of all units together with
 * `failures`, the test ended by time: 2T / chi-square(confidence; 2r + 2) (MIL-HDBK-338B 8.3.2.5.2;
 * constant failure rate). NAN outside 0 < confidence < 1, hours > 0, failures >= 0. */
double reliability_mtbf_bound(double hours, int failures, double confidence);
/* The upper bound, 2T / chi-square(1 - confidence; 2r): NAN without a failure, which bounds
 * nothing. */
double reliability_mtbf_upper(double hours, int failures, double confidence);
/* The factor by which stress at `stress_c` ages faster than use at `use_c`, exp[(Ea/k)(1/Tu -
 * 1/Ts)] with Boltzmann's k = 8.617333262e-5 eV/K; celsius, activation energy in eV. */
double reliability_arrhenius(double activation_ev, double use_c, double stress_c);

/* How long, or how many, to show something.
 *
 * Unit-hours that show an MTBF of `mtbf_h` at `confidence` when `failures` of them may fail, the
 * bound turned round: MTBF chi-square(confidence; 2r + 2) / 2. NAN as above. */
double reliability_test_hours(double mtbf_h, int failures, double confidence);
/* Units that show, at `confidence`, that this part of a lot (`good`, 0.99) lasts the length of the
 * test, when `failures` of them may fail: the fewest n for which that many or fewer failures have a
 * chance of at most 1 - confidence (for none the success run, ln(1 - C) / ln R). -1 outside 0 <
 * good, confidence < 1, failures >= 0, and where it would be more than ten million. */
int reliability_test_units(double good, int failures, double confidence);

#endif
