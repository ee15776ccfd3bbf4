#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reports/render_kinds.h"

enum { EN, ZH, LANGUAGES };

static const char *const languages[LANGUAGES + 1] = {"en", "zh", NULL};

static const char *const words[WORDS][LANGUAGES] = {
    [WORD_UNIT] = {"Unit", "产品"},
    [WORD_ORDER] = {"Order", "工单"},
    [WORD_STATION] = {"Station", "工位"},
    [WORD_RUN] = {"Run", "测试记录"},
    [WORD_PASS] = {"PASS", "合格"},
    [WORD_FAIL] = {"FAIL", "不合格"},
    [WORD_ERROR] = {"ERROR", "错误"},
    [WORD_TIMEOUT] = {"TIMEOUT", "超时"},
    [WORD_ABORTED] = {"ABORTED", "已中止"},
    [WORD_SKIPPED] = {"SKIPPED", "已跳过"},
    [WORD_OPEN] = {"RUNNING", "进行中"},
    [WORD_SERIAL] = {"Serial", "序列号"},
    [WORD_CHIP_ID] = {"Chip id", "芯片 ID"},
    [WORD_DID] = {"DID", "DID"},
    [WORD_MAC] = {"MAC", "MAC"},
    [WORD_IDENTITY] = {"Identity", "身份状态"},
    [WORD_PRODUCT] = {"Product", "产品型号"},
    [WORD_PLAN] = {"Plan", "测试计划"},
    [WORD_LIMITS] = {"Limits", "限值"},
    [WORD_BUNDLE] = {"Bundle", "固件包"},
    [WORD_PROGRAM] = {"Program", "程序版本"},
    [WORD_OPERATOR] = {"Operator", "操作员"},
    [WORD_SLOT] = {"Slot", "测试位"},
    [WORD_MODE] = {"Mode", "模式"},
    [WORD_STARTED] = {"Started", "开始时间"},
    [WORD_DURATION] = {"Duration", "用时"},
    [WORD_WHY] = {"What failed", "不合格原因"},
    [WORD_STEPS] = {"Steps", "测试步骤"},
    [WORD_STEP] = {"Step", "步骤"},
    [WORD_ATTEMPT] = {"Attempt", "第几次"},
    [WORD_MEASUREMENT] = {"Measurement", "测量项"},
    [WORD_VALUE] = {"Value", "测量值"},
    [WORD_VERDICT] = {"Verdict", "判定"},
    [WORD_PICTURES] = {"Pictures", "图像"},
    [WORD_ATTACHMENTS] = {"Attachments", "附件"},
    [WORD_EARLIER_RUNS] = {"Earlier runs", "以往测试"},
    [WORD_OTHER_CHIPS] = {"Other chips seen under this serial", "同一序列号下的其他芯片"},
    [WORD_UNITS] = {"Units", "产品"},
    [WORD_RUNS] = {"Runs", "测试次数"},
    [WORD_PASSED] = {"Passed", "合格数"},
    [WORD_FAILED] = {"Failed", "不合格数"},
    [WORD_FIRST_PASS_YIELD] = {"First-pass yield", "直通率"},
    [WORD_LAST_PASS_YIELD] = {"Last-pass yield", "最终合格率"},
    [WORD_FAILURES] = {"Failures by measurement", "不合格项排列图"},
    [WORD_NO_FAILURES] = {"No failures.", "没有不合格项。"},
    [WORD_UNKNOWN] = {"unknown", "未知"},
    [WORD_BELOW] = {"below the limit", "低于限值"},
    [WORD_ABOVE] = {"above the limit", "高于限值"},
    [WORD_NO_RUNS] = {"No runs yet.", "尚无测试记录。"},
};

const char *const *render_languages(void)
{
    return languages;
}

int word_language(const char *language)
{
    for (int i = 0; language && i < LANGUAGES; i++)
        if (!strcmp(language, languages[i]))
            return i;
    return EN;
}

const char *word_of(int language, enum word w)
{
    return words[w][language];
}

const char *word_verdict(int language, const char *verdict)
{
    static const struct {
        const char *name;
        enum word word;
    } verdicts[] = {{"pass", WORD_PASS},
                    {"fail", WORD_FAIL},
                    {"error", WORD_ERROR},
                    {"timeout", WORD_TIMEOUT},
                    {"aborted", WORD_ABORTED},
                    {"skipped", WORD_SKIPPED},
                    {"", WORD_OPEN}};
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++)
        if (!strcmp(verdicts[i].name, verdict))
            return word_of(language, verdicts[i].word);
    return verdict;
}

const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

const char *member_text(const cJSON *object, const char *name)
{
    const cJSON *value = member(object, name);
    return cJSON_IsString(value) ? value->valuestring : "";
}

bool member_is(const cJSON *object, const char *name, const char *text)
{
    return !strcmp(member_text(object, name), text);
}

void number_text(const cJSON *value, char out[32])
{
    double v = cJSON_IsNumber(value) ? value->valuedouble : NAN;
    if (isnan(v))
        strcpy(out, "–");
    else if (v == floor(v) && fabs(v) < 1e15) /* counts and bytes, to the last digit */
        snprintf(out, 32, "%.0f", v);
    else
        snprintf(out, 32, "%.6g", v);
}
