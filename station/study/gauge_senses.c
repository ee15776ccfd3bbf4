/* gauge-senses: hearing, radio, card, buttons, LEDs and power. */
#include <math.h>

#include "protocol/base/json.h"
#include "station/study/study.h"

/* What is so of a unit, out of its parameters: definitions of the quantities, none of the way by
 * which they are measured. */

static double of(const cJSON *unit, const char *parameter, double nominal)
{
    return json_number(unit, parameter, nominal);
}

/* The level of 94 dB SPL is the membrane's less what the port takes. */
static double sensitivity_dbfs(const cJSON *u)
{
    return of(u, "mic_sensitivity_dbfs", -26) + of(u, "mic_gain_db", 0) + of(u, "mic_port_db", 0);
}

/* The test's 94 dB SPL over the microphone's own noise, both A-weighted; 1 kHz has no weight. */
static double snr_db(const cJSON *u)
{
    return 94 + of(u, "mic_port_db", 0) - of(u, "mic_noise_dba", 30);
}

/* Full scale less 3 dB of the samples and 80 % of the amplifier. */
static double level_db_spl(const cJSON *u)
{
    return of(u, "speaker_db_spl", 88) - 3 + 20 * log10(0.8);
}

static double rssi_delta_db(const cJSON *u)
{
    return of(u, "antenna_gain_db", 0);
}

/* A MiB takes its command's time and the card's. */
static double write_mb_s(const cJSON *u)
{
    const double mb = 1.048576, command_ms = of(u, "card_command_ms", 0.3);
    return mb / (mb / of(u, "card_write_mb_s", 18) + command_ms / 1000);
}

static double real_fraction(const cJSON *u)
{
    return fmin(of(u, "card_real_bytes", 31914983424.0) / 31914983424.0, 1);
}

static double blue_light(const cJSON *u)
{
    return of(u, "led_1_dead", 0) != 0 ? 0 : of(u, "led_1_light", 1);
}

enum { EFFICIENCY_PERCENT = 88 };

static double standby_w(const cJSON *u)
{
    return of(u, "standby_w", 0.95) / (EFFICIENCY_PERCENT / 100.0) + 5 * of(u, "leak_ma", 0) / 1000;
}

static double pan_w(const cJSON *u)
{
    return (of(u, "motor_w", 0.35) + of(u, "pan_short_w", 0)) / (EFFICIENCY_PERCENT / 100.0);
}

/* At the unit; between it and the supply's own reading lie cable and output resistance, which with
 * half an ampere take 0.04 V. The way down goes no further than 4.35 V. */
static double lowest_volts(const cJSON *u)
{
    return fmax(of(u, "brownout_volts", 4.2) + 0.04, 4.35);
}

enum { SENSITIVITY, SNR, LEVEL, RUB_BUZZ, RSSI, WRITE, REAL, BLUE, STANDBY, PAN, LOWEST, FIGURES };

static const struct study_figure figures[FIGURES] = {
    [SENSITIVITY] = {"microphone", "sensitivity_dbfs", sensitivity_dbfs, 0},
    [SNR] = {"microphone", "snr_db", snr_db, 0},
    [LEVEL] = {"speaker", "level_db_spl", level_db_spl, 0},
    [RUB_BUZZ] = {"speaker", "rub_buzz_db", NULL, 0},
    [RSSI] = {"wifi", "rssi_delta_db", rssi_delta_db, 0},
    [WRITE] = {"card", "write_mb_s", write_mb_s, 0},
    [REAL] = {"card", "real_fraction", real_fraction, 0},
    [BLUE] = {"led_blue", "light_on", blue_light, 0},
    [STANDBY] = {"power", "standby_w", standby_w, 0},
    [PAN] = {"motor_power", "pan_w", pan_w, 0},
    [LOWEST] = {"supply_margin", "lowest_volts", lowest_volts, 0},
};

static const struct study_kind kinds[] = {
    {"deaf",
     "the microphone's port is blocked",
     {{"mic_port_db", 0, -12, false}},
     false,
     SENSITIVITY,
     0.3},
    {"noisy", "the microphone hisses", {{"mic_noise_dba", 36, 72, false}}, false, SNR, 0.5},
    {"rattling_speaker",
     "a loose part rattles on the speaker",
     {{"speaker_rattle_pa", 0.001, 2, true}},
     false,
     RUB_BUZZ,
     0.4},
    {"quiet_speaker",
     "the speaker is too quiet",
     {{"speaker_db_spl", 88, 76, false}},
     false,
     LEVEL,
     0.5},
    {"detuned_antenna",
     "the antenna is not connected well",
     {{"antenna_gain_db", 0, -20, false}},
     false,
     RSSI,
     0.5},
    {"wrong_region",
     "the radio's calibration data are another region's",
     {{"radio_region", 0, 1, false}},
     true,
     0,
     0},
    {"slow_card", "the card is slow", {{"card_write_mb_s", 17, 4, false}}, false, WRITE, 0.6},
    {"fake_card",
     "the card holds less than it claims",
     {{"card_real_bytes", 31914983424.0, 3989372928.0, false}},
     false,
     REAL,
     0},
    {"stuck_button", "the button never closes", {{"button_1_stuck", 0, 1, false}}, true, 0, 0},
    {"dead_led",
     "the first indicator is weak or dark",
     {{"led_1_light", 1, 0, false}},
     false,
     BLUE,
     0.55},
    {"leaking_supply",
     "current leaks across the supply",
     {{"leak_ma", 0, 400, false}},
     false,
     STANDBY,
     0.5},
    {"shorted_motor",
     "windings of the pan motor are shorted",
     {{"pan_short_w", 0, 2, false}},
     false,
     PAN,
     0.25},
    {"brownout",
     "the unit restarts when its supply sags",
     {{"brownout_volts", 4.3, 4.75, false}},
     false,
     LOWEST,
     0.5},
};

const struct study study_gauge_senses = {
    .name = "gauge-senses",
    .product = "ptz-indoor-3mp",
    .plan = "senses",
    .kinds = kinds,
    .kind_count = sizeof kinds / sizeof *kinds,
    .figures = figures,
    .figure_count = FIGURES,
};
