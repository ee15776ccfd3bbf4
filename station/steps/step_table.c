/* Every kind of step of this build: one row each, in the order of a unit's way. */
#include <string.h>

#include "station/steps/step.h"

extern const struct step_kind step_power_on, step_connect, step_scan, step_flash_agent,
    step_identity_write, step_image, step_stream, step_infrared, step_ptz, step_microphone,
    step_speaker, step_wifi, step_card, step_button, step_power, step_label, step_lock,
    step_power_off, step_permission, step_health, step_picture, step_label_check, step_led,
    step_motor_power, step_supply_margin, step_echo, step_voice, step_microphone_slots, step_reset,
    step_sleep, step_wifi_join, step_wifi_return, step_power_cut, step_ble, step_load;

static const struct step_kind *const kinds[] = {
    &step_power_on,
    &step_connect,
    &step_scan,
    &step_flash_agent,
    &step_identity_write,
    &step_image,
    &step_stream,
    &step_infrared,
    &step_ptz,
    &step_microphone,
    &step_speaker,
    &step_wifi,
    &step_card,
    &step_button,
    &step_power,
    &step_label,
    &step_lock,
    &step_power_off,
    &step_permission,
    &step_health,
    &step_picture,
    &step_label_check,
    &step_led,
    &step_motor_power,
    &step_supply_margin,
    &step_echo,
    &step_voice,
    &step_microphone_slots,
    &step_reset,
    &step_sleep,
    &step_wifi_join,
    &step_wifi_return,
    &step_power_cut,
    &step_ble,
    &step_load,
    NULL,
};

const struct step_kind *const *step_kinds(void)
{
    return kinds;
}

const struct step_kind *step_kind_find(const char *name)
{
    for (const struct step_kind *const *k = kinds; *k; k++)
        if (strcmp((*k)->name, name) == 0)
            return *k;
    return NULL;
}
