/* What makes one emulated unit differ from the next: every physical quantity of the camera that
 * varies with production, wear or damage, as one table.
 *
 * DIR/unit.json is a flat object of these names, each optional ("defocus_px": 1.5), and the two
 * texts "chip_id" (up to 32 hex digits) and "comment". What is not given is nominal. A defect is a
 * parameter away from its nominal value; nothing here knows what any measurement should come to.
 *
 * Levels in dB SPL are re 20 uPa; 0 dBFS is the rms level of a full-scale sine. */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_PHYSICS_H
#define TAKT_FIRMWARE_HAL_EMULATOR_PHYSICS_H

#include <stddef.h>

#include "protocol/base/error.h"
#include "protocol/world.h"

/* P(name, nominal, lowest, highest, unit, meaning) */
#define PHYSICS_PARAMETERS(P)                                                                      \
    P(seed, 1, 0, 4294967295.0, "", "everything random in this unit follows from it")              \
    P(power_ups, 0, 0, 4294967295.0, "", "before this one: noise differs from one to the next")    \
    P(seat_turn_deg, 0, -20, 20, "deg", "the fixture holds the unit turned before its chart")      \
    P(seat_x_px, 0, -400, 400, "px", "and to the left of its middle")                              \
    P(seat_y_px, 0, -400, 400, "px", "and above it")                                               \
    P(boot_ms, 600, 0, 60000, "ms", "from supply on to the firmware's first instruction")          \
    P(ambient_c, 25, -40, 85, "C", "air around the unit")                                          \
    P(thermal_k_per_w, 9, 0, 60, "K/W", "of the SoC above the air")                                \
    /* lens */                                                                                     \
    P(lens_blur_px, 0.50, 0.2, 6, "px", "sigma of the aberrations' blur on the axis")              \
    P(field_blur_px, 0.45, -6, 6, "px", "defocus at the corners from a curved field")              \
    P(defocus_px, 0, -12, 12, "px", "sigma of defocus; field and tilt add to it with their signs") \
    P(tilt_px, 0, -12, 12, "px", "defocus at the right edge from a tilted sensor; left: minus")    \
    P(tilt_vertical_px, 0, -12, 12, "px", "the same at the lower edge")                            \
    P(decentre_x_px, 0, -200, 200, "px", "the lens sits to the right of the sensor's centre")      \
    P(decentre_y_px, 0, -200, 200, "px", "the lens sits below the sensor's centre")                \
    P(roll_deg, 0, -10, 10, "deg", "the sensor is turned clockwise behind the lens")               \
    P(distortion, -0.010, -0.2, 0.2, "", "radial growth at the corner; negative is barrel")        \
    P(focal_error, 0, -0.2, 0.2, "", "focal length over the board's, minus 1")                     \
    P(corner_light, 0.70, 0.02, 1, "", "light at the corner over that on the axis")                \
    P(transmission, 0.90, 0.05, 1, "", "of the lens")                                              \
    P(dust_depth, 0, 0, 1, "", "light taken at the middle of a speck on the cover glass")          \
    P(dust_radius_px, 12, 1, 200, "px", "of the speck's shadow")                                   \
    P(dust_x, 0.62, 0, 1, "", "the speck's place across the picture")                              \
    P(dust_y, 0.36, 0, 1, "", "the speck's place down the picture")                                \
    /* sensor */                                                                                   \
    P(quantum_efficiency, 0.60, 0.01, 1, "", "electrons a photon in the filter's band")            \
    P(full_well_e, 9000, 500, 100000, "e-", "charge at which a pixel and the ADC are full")        \
    P(read_noise_e, 2.5, 0, 200, "e-", "rms a read at gain 1")                                     \
    P(dark_current_e_s, 6, 0, 50000, "e-/s", "mean, at 25 C; doubles every 7 K")                   \
    P(dark_spread, 0.3, 0, 2, "", "pixel to pixel sigma of the dark current over its mean")        \
    P(prnu, 0.008, 0, 0.3, "", "pixel to pixel sigma of the response")                             \
    P(black_level_dn, 64, 0, 256, "DN", "ADC pedestal of 1023; the ISP takes 64 off")              \
    P(dead_pixels, 3, 0, 5000, "", "pixels that give no charge, at places the seed picks")         \
    P(hot_pixels, 3, 0, 5000, "", "pixels whose dark current is hot_pixel_e_s")                    \
    P(hot_pixel_e_s, 40000, 0, 10000000, "e-/s", "dark current of a hot pixel")                    \
    P(dead_cluster_px, 0, 0, 64, "px",                                                             \
      "side of a square of dead pixels, at a place the seed picks")                                \
    P(red_gain, 1, 0.1, 4, "", "red response left over after white balance")                       \
    P(blue_gain, 1, 0.1, 4, "", "blue response left over after white balance")                     \
    P(colour_mixing, 0.02, 0, 1, "", "part of each colour that reaches its neighbours")            \
    P(auto_exposure_target, 0.25, 0.01, 0.9, "", "linear mean the exposure control aims at")       \
    P(frame_rate_hz, 20, 1, 60, "Hz", "of the sensor")                                             \
    P(ripple_dn, 0, 0, 200, "DN", "amplitude of the supply's ripple on the rows' black level")     \
    P(ripple_hz, 133, 1, 20000, "Hz", "of that ripple: bands that crawl over the picture")         \
    P(lamp_flicker, 0, 0, 1, "", "depth of the lamps' flicker at twice the mains' frequency")      \
    P(mains_hz, 50, 40, 70, "Hz", "behind those lamps")                                            \
    P(exposure_jitter, 0, 0, 1, "", "sigma of a frame's exposure over what was set: flicker")      \
    P(dropped_per_1000, 0, 0, 1000, "", "frames in 1000 that are lost between sensor and ISP")     \
    P(frozen_per_1000, 0, 0, 1000, "", "frames in 1000 that are the one before once more")         \
    P(sensor_freeze_ms, 0, 0, 1000000, "ms",                                                       \
      "so long the sensor's last frame comes over and over")                                       \
    P(encoder_freeze_ms, 0, 0, 1000000, "ms", "so long the encoder's input buffer stands still")   \
    P(freeze_every_ms, 5000, 1, 1000000, "ms", "at the end of each such time of the stream")       \
    P(encoder_rate, 1, 0.01, 10, "", "bits of coded video over what the firmware asked for")       \
    P(stream_errors_per_mb, 0, 0, 100000, "",                                                      \
      "bytes of a megabyte that memory spoils in coded video")                                     \
    /* infrared */                                                                                 \
    P(ir_cut_stuck, 0, 0, 2, "", "0 free, 1 stuck before the sensor (day), 2 stuck away (night)")  \
    P(ir_cut_ms, 120, 0, 5000, "ms", "the filter's travel")                                        \
    P(ir_cut_leak, 0.005, 0, 1, "", "infrared that passes the filter")                             \
    P(ir_led_count, 4, 0, 6, "", "infrared LEDs around the lens")                                  \
    P(ir_led_1, 1, 0, 2, "", "output of LED 1 over nominal; 0 is dead; aims at the upper right")   \
    P(ir_led_2, 1, 0, 2, "", "output of LED 2: upper left of four")                                \
    P(ir_led_3, 1, 0, 2, "", "output of LED 3: lower left of four")                                \
    P(ir_led_4, 1, 0, 2, "", "output of LED 4: lower right of four")                               \
    P(ir_led_5, 1, 0, 2, "", "output of LED 5, where there are more than four")                    \
    P(ir_led_6, 1, 0, 2, "", "output of LED 6, where there are six")                               \
    P(ir_led_beam_deg, 28, 5, 80, "deg", "off the LED's axis where it shines half as bright")      \
    P(ir_led_lux, 25, 0, 1000, "lx", "what one LED at full drive is worth to the sensor at 1 m")   \
    /* pan and tilt */                                                                             \
    P(pan_straight_ahead_deg, 175, 0, 360, "deg", "pan from the homing edge that looks ahead")     \
    P(tilt_straight_ahead_deg, 50, 0, 180, "deg", "tilt from the homing edge that looks level")    \
    P(pan_backlash_deg, 0.15, 0, 20, "deg", "play between pan motor and camera")                   \
    P(tilt_backlash_deg, 0.12, 0, 20, "deg", "play between tilt motor and camera")                 \
    P(pan_gear_error, 0, -0.3, 0.3, "", "true angle a microstep over the board's, minus 1")        \
    P(tilt_gear_error, 0, -0.3, 0.3, "", "true angle a microstep over the board's, minus 1")       \
    P(pan_lost_per_1000, 0, 0, 1000, "", "pan microsteps in 1000 that do not turn the rotor")      \
    P(tilt_lost_per_1000, 0, 0, 1000, "", "tilt microsteps in 1000 that do not turn the rotor")    \
    P(pan_jam_deg, 1000, -100, 1000, "deg", "pan does not turn past this angle")                   \
    P(tilt_jam_deg, 1000, -100, 1000, "deg", "tilt does not turn past this angle")                 \
    P(pan_home_dead, 0, 0, 1, "", "1: the pan homing sensor never switches")                       \
    P(tilt_home_dead, 0, 0, 1, "", "1: the tilt homing sensor never switches")                     \
    P(motor_noise_db, 48, 0, 130, "dB SPL", "a turning motor and its gears at the own microphone") \
    P(home_repeat_deg, 0.01, 0, 5, "deg", "sigma of the homing edge from one pass to the next")    \
    /* microphone */                                                                               \
    P(mic_sensitivity_dbfs, -26, -80, 0, "dBFS", "level of 94 dB SPL at 1 kHz")                    \
    P(mic_gain_db, 0, -60, 40, "dB", "of the amplifier behind it")                                 \
    P(mic_noise_dba, 30, 0, 94, "dBA", "own noise as sound pressure, A-weighted to 8 kHz")         \
    P(mic_port_db, 0, -60, 0, "dB", "what a blocked port takes off the sound")                     \
    P(mic_high_pass_hz, 60, 1, 2000, "Hz", "first-order corner of the microphone's vent")          \
    P(mic_low_pass_hz, 14000, 300, 24000, "Hz", "first-order corner of port and membrane")         \
    P(mic_overload_db, 124, 60, 160, "dB SPL", "where the membrane's swing is clipped")            \
    P(mic_slot, 0, 0, 2, "", "of the converter's frame: 0 left, 1 right (select pin), 2 neither")  \
    P(audio_clock_ppm, 0, -2000, 2000, "ppm", "the converters' clock is fast")                     \
    P(echo_db, -12, -120, 20, "dB", "own speaker at own microphone, over the fixture's")           \
    P(echo_delay_ms, 0.3, 0, 50, "ms", "from the speaker to the own microphone")                   \
    /* speaker */                                                                                  \
    P(speaker_db_spl, 88, 30, 130, "dB SPL", "full scale at 1 kHz, at the fixture's microphone")   \
    P(speaker_resonance_hz, 450, 50, 2000, "Hz", "second-order high-pass of driver and box")       \
    P(speaker_q, 0.8, 0.3, 10, "", "of that resonance")                                            \
    P(speaker_low_pass_hz, 9000, 500, 24000, "Hz", "second-order low-pass of the driver")          \
    P(speaker_second, 0.012, 0, 2, "", "square term of the drive: asymmetric suspension")          \
    P(speaker_third, 0.020, 0, 2, "", "cube term of the drive: stiffening suspension")             \
    P(speaker_rattle_pa, 0, 0, 20, "Pa", "peak of each tick when a loose part is struck")          \
    P(speaker_rattle_level, 0.25, 0, 1, "", "low-frequency drive at which it is struck")           \
    P(speaker_watts, 0.8, 0, 10, "W", "drawn for a full-scale sine")                               \
    /* card */                                                                                     \
    P(card_present, 1, 0, 1, "", "1: a card sits in the socket")                                   \
    P(card_write_protected, 0, 0, 1, "", "1: the card refuses writes")                             \
    P(card_real_bytes, 31914983424.0, 1048576, 4398046511104.0, "bytes", "what the chips hold")    \
    P(card_claimed_bytes, 31914983424.0, 1048576, 4398046511104.0, "bytes",                        \
      "what it says; a fake one writes modulo card_real_bytes")                                    \
    P(card_write_mb_s, 18, 0.05, 1000, "MB/s", "of the card behind this socket's bus")             \
    P(card_read_mb_s, 22, 0.05, 1000, "MB/s", "of the card behind this socket's bus")              \
    P(card_command_ms, 0.3, 0, 1000, "ms", "before each transfer")                                 \
    P(card_serial, 1, 0, 4294967295.0, "", "of the card in this socket")                           \
    P(card_filesystem, 0, 0, 3, "", "as it was formatted: 0 FAT32, 1 exFAT, 2 ext, 3 not at all")  \
    P(card_fail_after_bytes, 0, 0, 4398046511104.0, "bytes", "written, then errors; 0 = never")    \
    /* radio */                                                                                    \
    P(antenna_gain_db, 0, -80, 20, "dB", "over the nominal antenna")                               \
    P(radio_fading_db, 0.7, 0, 20, "dB", "sigma of the level's slow wander")                       \
    P(radio_mcs_max, 7, 0, 7, "", "fastest 802.11n scheme the radio settles on")                   \
    P(radio_efficiency, 0.60, 0.01, 1, "", "payload over PHY rate")                                \
    P(radio_loss_percent, 0, 0, 100, "%", "datagrams that the radio's own repeats do not save")    \
    P(radio_jitter_ms, 0.4, 0, 1000, "ms", "mean of what those repeats hold a datagram up")        \
    P(radio_join_ms, 450, 0, 60000, "ms", "scan, association, four-way handshake")                 \
    P(bluetooth_dbm, WORLD_ADVERTISED_DBM, -120, 20, "dBm",                                        \
      "of its advertising, at the line's receiver")                                                \
    P(bluetooth_dead, 0, 0, 1, "", "1: the Bluetooth controller answers nothing")                  \
    P(start_c_min, -100, -100, 100, "degC", "colder around it, the unit does not start")           \
    P(good_starts, -1, -1, 1000000, "count", "later ones hang until the power goes; -1: none")     \
    P(radio_returns, 1, 0, 1, "", "1 = goes back to the network that it lost")                     \
    P(radio_roams, 1, 0, 1, "", "1 = goes over to a nearer access point of its network")           \
    P(radio_region, 0, 0, 3, "", "of its calibration data: 0 CN, 1 US, 2 JP, 3 none (00)")         \
    /* flash */                                                                                    \
    P(flash_time_scale, 1, 0, 100, "", "times the part's program, erase and read times")           \
    P(flash_stuck_page, -1, -1, 16777215, "", "a page whose first bit stays 0; -1 = none")         \
    /* buttons and indicator LEDs, by their place on the board */                                  \
    P(button_1_stuck, 0, 0, 2, "", "0 works, 1 stays open (high), 2 stays pressed (low)")          \
    P(button_2_stuck, 0, 0, 2, "", "the same for the board's second button")                       \
    P(button_bounce_ms, 3, 0, 200, "ms", "a contact chatters before it rests")                     \
    P(led_1_dead, 0, 0, 1, "", "1: the first indicator LED stays dark")                            \
    P(led_2_dead, 0, 0, 1, "", "1: the second indicator LED stays dark")                           \
    P(led_1_light, 1, 0, 2, "", "output of the first indicator LED over nominal")                  \
    P(led_2_light, 1, 0, 2, "", "output of the second indicator LED over nominal")                 \
    /* aging: what changes with the hours the unit has lived */                                    \
    P(leak_kb_h, 0, 0, 100000, "KiB/h", "memory camd does not give back, since its start")         \
    P(lens_loosening_px_kh, 0, 0, 100, "px/1000 h", "defocus that grows as the lens works loose")  \
    P(sensor_slowing_kh, 0, 0, 10, "/1000 h", "part of the frame rate that is lost")               \
    P(flash_wear_kh, 0, 0, 100000, "/1000 h", "blocks that go bad")                                \
    /* supply: watts behind the converter, which takes its share */                                \
    P(converter_efficiency, 0.88, 0.2, 1, "", "of the step-down converters")                       \
    P(leak_ma, 0, 0, 5000, "mA", "straight across the connector")                                  \
    P(brownout_volts, 4.2, 0, 12, "V", "at the unit, below which its reset circuit pulls")         \
    P(sleep_w, 0.004, 0, 20, "W", "asleep: clock and what wakes it")                               \
    P(standby_w, 0.95, 0, 20, "W", "SoC and memory in standby")                                    \
    P(idle_w, 1.25, 0, 20, "W", "SoC and memory, nothing to do")                                   \
    P(streaming_w, 1.65, 0, 20, "W", "SoC and memory, encoding one stream")                        \
    P(full_w, 2.05, 0, 20, "W", "SoC and memory, encoder and NPU busy")                            \
    P(sensor_w, 0.13, 0, 5, "W", "image sensor while it streams")                                  \
    P(radio_idle_w, 0.12, 0, 5, "W", "radio associated, listening")                                \
    P(radio_send_w, 0.55, 0, 5, "W", "radio sending without a pause")                              \
    P(ir_led_w, 0.20, 0, 5, "W", "one infrared LED at full drive")                                 \
    P(led_w, 0.012, 0, 1, "W", "one indicator LED")                                                \
    P(motor_w, 0.35, 0, 10, "W", "one motor turning")                                              \
    P(motor_start_w, 0.9, 0, 20, "W", "on top for the first 40 ms of a move")                      \
    P(jam_w, 0.25, 0, 10, "W", "on top while a motor's rotor is held")                             \
    P(pan_short_w, 0, 0, 60, "W", "on top while pan turns: shorted windings")                      \
    P(tilt_short_w, 0, 0, 60, "W", "on top while tilt turns: shorted windings")                    \
    P(card_w, 0.18, 0, 5, "W", "card reading or writing")

struct physics {
    char chip_id[33];
#define PHYSICS_FIELD(name, nominal, low, high, unit, about) double name;
    PHYSICS_PARAMETERS(PHYSICS_FIELD)
#undef PHYSICS_FIELD
};

/* The table as data: what the bench spreads and what `camd --physics` prints. */
struct physics_parameter {
    const char *name;
    double nominal, low, high;
    const char *unit, *about;
    size_t offset; /* of its double in struct physics */
};
const struct physics_parameter *physics_parameters(void); /* ends with a NULL name */

void physics_nominal(struct physics *out);
/* Nominal, then what the file says. A missing file is a nominal unit. ERROR_INPUT with
 * "FILE:LINE: ..." for an unknown name (the nearest known one is named), a value out of its range
 * or of the wrong type. Without "chip_id" the seed makes one. */
int physics_load(const char *path, struct physics *out, struct error *err);

#endif
