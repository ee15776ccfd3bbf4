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
    [WORD_PLAN_SIGNER] = {"Plan signed by key", "计划签名密钥"},
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
    [WORD_SHIFT] = {"Shift", "班次"},
    [WORD_ROLLED_YIELD] = {"Rolled yield", "累计直通率"},
    [WORD_STEP_YIELDS] = {"Yield by step", "各步骤合格率"},
    [WORD_FIGURES] = {"Measurements against their limits", "测量项与过程能力"},
    [WORD_MEAN] = {"Mean", "均值"},
    [WORD_DEVIATION] = {"Deviation", "标准差"},
    [WORD_COUNT] = {"Count", "数量"},
    [WORD_CONTROL_CHARTS] = {"Control charts", "控制图"},
    [WORD_CONTROL_NOTE] = {"Individuals in the order of the runs; blue: EWMA (0.2); dashed: "
                           "control limits; red: limits; marked: Western Electric rules",
                           "按测试顺序的单值；蓝线：EWMA (0.2)；虚线：控制限；红线：限值；标记点："
                           "违反西部电气规则"},
    [WORD_PLACE] = {"Where", "位置"},
    [WORD_RELIABILITY] = {"Time between failures", "平均无故障时间"},
    [WORD_HOURS] = {"Hours under test", "累计试验小时"},
    [WORD_MTBF] = {"MTBF, hours", "MTBF（小时）"},
    [WORD_CONFIDENCE] = {"Confidence", "置信度"},
    [WORD_LOWER_BOUND] = {"At least, hours", "下限（小时）"},
    [WORD_UPPER_BOUND] = {"At most, hours", "上限（小时）"},
    [WORD_CURVES] = {"Curves", "曲线"},
    [WORD_CAMPAIGN] = {"Campaign", "可靠性试验"},
    [WORD_LOT] = {"Lot", "批次"},
    [WORD_SEED] = {"Seed", "随机种子"},
    [WORD_STATE] = {"State", "状态"},
    [WORD_SURVIVAL] = {"Survival (Kaplan and Meier, band: 95 %)",
                       "生存曲线（Kaplan-Meier，阴影：95 %）"},
    [WORD_SURVIVAL_SHORT] = {"Survival", "生存曲线"},
    [WORD_AT] = {"At", "时间"},
    [WORD_AS_COMMANDED] = {"as commanded", "设定值"},
    [WORD_AS_MEASURED] = {"as measured", "实测值"},
    [WORD_LOWEST] = {"Lowest", "最小值"},
    [WORD_HIGHEST] = {"Highest", "最大值"},
    [WORD_CAUSES] = {"Failures by cause", "按原因统计的失效"},
    [WORD_REASON] = {"Remark", "说明"},
    [WORD_CAUSE] = {"Cause", "原因"},
    [WORD_CONDITIONS] = {"Conditions: as commanded (dashed) and as measured",
                         "环境条件：设定值（虚线）与实测值"},
    [WORD_INSTRUMENTS] = {"Instruments", "仪器"},
    [WORD_DUE] = {"Calibration due", "校准有效期至"},
    [WORD_EVENTS] = {"Events", "事件"},
    [WORD_EVENT] = {"Event", "事件"},
    [WORD_UNIT_HOURS] = {"Unit-hours", "台时"},
    [WORD_AT_RISK] = {"At risk", "在试数"},
    [WORD_STILL_GOOD] = {"Still good", "完好率"},
    [WORD_ACCELERATION] = {"Arrhenius factor", "阿伦尼乌斯加速因子"},
    [WORD_COURSES] = {"Figures over time, with limits (red)", "各指标随时间变化（红色：限值）"},
    [WORD_OF_OWN_START] = {"change against the unit's own start", "相对产品自身初始值的变化"},
    [WORD_UNITS_DRAWN] = {"Units drawn", "图中产品数"},
    [WORD_COMPARISON] = {"Beside another campaign", "与另一次试验的比较"},
    [WORD_EXPECTED] = {"Expected if alike", "若无差异的期望数"},
    [WORD_LOG_RANK] = {"Log-rank test", "对数秩检验"},
    [WORD_LOG_RANK_NOTE] = {"p is the chance of such a difference, or a larger one, between lots "
                            "that fail alike.",
                            "p 为两批产品失效规律相同时出现这一差异（或更大差异）的概率。"},
    [WORD_NOTHING_TO_COMPARE] = {"No failure while both were watched: nothing to compare.",
                                 "两次试验同时在试期间没有失效，无法比较。"},
    [WORD_OTHER_FILE] = {"The two campaigns' files differ: so may their conditions and limits.",
                         "两次试验的文件不同，条件和限值可能不同。"},
    [WORD_SAMPLES] = {"How many units another campaign needs", "再次试验所需的产品数"},
    [WORD_SHOWN] = {"To show", "要证明"},
    [WORD_NONE_MAY_FAIL] = {"None may fail", "不允许失效"},
    [WORD_ONE_MAY_FAIL] = {"One may fail", "允许失效 1 台"},
    [WORD_TWO_MAY_FAIL] = {"Two may fail", "允许失效 2 台"},
    [WORD_WATCHED] = {"What was watched, with its limits (Δ: against the unit's own start)",
                      "监测项与限值（Δ：相对产品自身初始值）"},
    [WORD_BOUNDS] = {"Limits", "限值"},
    [WORD_PHYSICAL_UNIT] = {"In", "单位"},
    [WORD_AS_OF] = {"As of", "截至"},
    [WORD_CLOCK] = {"Clock", "时钟"},
    [WORD_CALIBRATED] = {"Calibrated on", "校准日期"},
    [WORD_DRIFT] = {"Stations, slots and instruments that stand off", "工位、测试位与仪器偏移"},
    [WORD_DRIFT_NOTE] =
        {"Welch's test of each against all others of its kind; chance of any false alarm "
         "1 %, half a deviation does not count",
         "各工位、测试位或仪器与其余同类的 Welch 检验；总误报概率 1 %，半个标准差以内不计"},
    [WORD_NO_DRIFT] = {"None stands off from the others.", "没有发现偏移。"},
    [WORD_OTHERS] = {"Others", "其余"},
    [WORD_TOGETHER] = {"Failures that come together", "相关的不合格项"},
    [WORD_THROUGHPUT] = {"Units by time (UTC)", "各时段产量 (UTC)"},
    [WORD_SHARE] = {"Share", "占比"},
    [WORD_IDENTITIES] = {"Identities", "身份"},
    [WORD_CERTIFICATE] = {"Test certificate", "测试证书"},
    [WORD_PAGE] = {"Page", "页"},
    [WORD_TODAY] = {"Today", "今日"},
    [WORD_PER_HOUR] = {"Units in the last hour", "近一小时产量"},
    [WORD_BY_HOUR] = {"Units by the hour", "每小时产量"},
    [WORD_DEFECTS] = {"Defects and repairs", "缺陷与维修"},
    [WORD_REPAIRED] = {"repaired", "已维修"},
    [WORD_NOT_REPAIRED] = {"not repaired yet", "尚未维修"},
    [WORD_LAST_FAILURES] = {"Last failures", "最近不合格"},
    [WORD_SLOTS] = {"Slots", "测试位"},
    [WORD_NO_TAKTD] = {"taktd does not answer.", "taktd 无应答。"},
    [WORD_IDLE] = {"idle", "空闲"},
    [WORD_STALE] = {"No answer from takt serve: these figures are old.",
                    "takt serve 无应答：数据已过时。"},
    [WORD_MORE_UNITS] = {"More units are in the CSV or JSON of this report.",
                         "其余产品见本报告的 CSV 或 JSON。"},
    [WORD_POSITION] = {"Between the limits", "在限值间的位置"},
    [WORD_DRIFT_SHORT] = {"Drift", "偏移"},
    [WORD_FAILURE] = {"Failure", "不合格项"},
    [WORD_KIND] = {"Kind", "类别"},
    [WORD_MEASURED_IN] = {"In", "计量单位"},
    [WORD_LOW_LIMIT] = {"Low limit", "下限"},
    [WORD_HIGH_LIMIT] = {"High limit", "上限"},
    [WORD_FIRST_VERDICT] = {"First verdict", "首次判定"},
    [WORD_LAST_VERDICT] = {"Last verdict", "最终判定"},
    [WORD_ENDED] = {"Ended", "结束时间"},
    [WORD_FOUND] = {"Found", "发现时间"},
    [WORD_CODE] = {"Code", "缺陷代码"},
    [WORD_DONE] = {"Repaired at", "维修时间"},
    [WORD_ACTION] = {"Action", "维修措施"},
    [WORD_PART] = {"Part", "更换件"},
    [WORD_LINE] = {"Line", "产线"},
    [WORD_BOTH] = {"Both", "同时出现"},
    [WORD_INSTRUMENT] = {"Instrument", "仪器"},
};

const char *const *render_languages(void)
{
    return languages;
}

const char *render_language(const char *name)
{
    for (const char *const *l = render_languages(); name && *l; l++)
        if (strcmp(*l, name) == 0)
            return *l;
    return NULL;
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

/* A word of the store's own, which is English; one that is not known stays as it is. */
static const char *translated(const char *const pairs[][LANGUAGES], size_t count, int language,
                              const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(pairs[i][EN], text))
            return pairs[i][language];
    return text;
}

const char *word_identity(int language, const char *state)
{
    static const char *const states[][LANGUAGES] = {
        {"free", "未分配"},      {"reserved", "已预留"},    {"injected", "已写入"},
        {"confirmed", "已确认"}, {"quarantined", "已隔离"}, {"scrapped", "已报废"}};
    return translated(states, sizeof states / sizeof states[0], language, state);
}

const char *word_mode(int language, const char *mode)
{
    static const char *const modes[][LANGUAGES] = {{"production", "生产"},
                                                   {"engineering", "工程"},
                                                   {"repair", "返修"},
                                                   {"golden", "金样机"},
                                                   {"gauge", "量具研究"}};
    return translated(modes, sizeof modes / sizeof modes[0], language, mode);
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

void limits_text(const cJSON *measurement, char out[72])
{
    char low[32], high[32];
    const cJSON *l = member(measurement, "low"), *h = member(measurement, "high");
    number_text(l, low);
    number_text(h, high);
    if (cJSON_IsNumber(l) && cJSON_IsNumber(h))
        snprintf(out, 72, "%s … %s", low, high);
    else if (cJSON_IsNumber(l))
        snprintf(out, 72, "≥ %s", low);
    else if (cJSON_IsNumber(h))
        snprintf(out, 72, "≤ %s", high);
    else
        *out = '\0';
}

void time_text(const char *iso, char out[32])
{
    if (strlen(iso) < 19)
        strcpy(out, "–");
    else
        snprintf(out, 32, "%.10s %.8s UTC", iso, iso + 11);
}

void duration_text(double ms, char out[32])
{
    if (ms < 1000)
        snprintf(out, 32, "%.0f ms", ms);
    else if (ms < 120000)
        snprintf(out, 32, "%.1f s", ms / 1000);
    else
        snprintf(out, 32, "%.1f min", ms / 60000);
}

const char *unit_name(const cJSON *unit, int language)
{
    const char *name = member_text(unit, "serial");
    name = *name ? name : member_text(unit, "chip_id");
    return *name ? name : word_of(language, WORD_UNKNOWN);
}

bool verdict_bad(const char *verdict)
{
    return !strcmp(verdict, "fail") || !strcmp(verdict, "error") || !strcmp(verdict, "timeout");
}

const cJSON *step_last_attempt(const cJSON *step)
{
    const cJSON *attempts = member(step, "attempts");
    return cJSON_GetArrayItem(attempts, cJSON_GetArraySize(attempts) - 1);
}

struct heading heading_of(const cJSON *document, int language)
{
    static const struct {
        const char *document, *name, *beside, *from, *to;
        enum word kind;
    } kinds[] = {{"order", "order", "product", "started", "last", WORD_ORDER},
                 {"shift", "station", "line", "from", "to", WORD_SHIFT},
                 {"mode", "mode", "", "started", "last", WORD_MODE},
                 {"station", "station", "line", "started", "last", WORD_STATION}};
    size_t i = 0;
    while (i + 1 < sizeof kinds / sizeof kinds[0] &&
           !member_is(document, "document", kinds[i].document))
        i++;
    return (struct heading){word_of(language, kinds[i].kind), member_text(document, kinds[i].name),
                            member_text(document, kinds[i].beside),
                            member_text(document, kinds[i].from),
                            member_text(document, kinds[i].to)};
}

void place_text(const cJSON *row, char *out, size_t size)
{
    if (member_is(row, "kind", "instrument"))
        snprintf(out, size, "%.60s · %.60s (%.40s)", member_text(row, "instrument"),
                 member_text(row, "serial"), member_text(row, "class"));
    else if (cJSON_IsNumber(member(row, "slot")))
        snprintf(out, size, "%.80s · %.0f", member_text(row, "station"),
                 cJSON_GetNumberValue(member(row, "slot")));
    else
        snprintf(out, size, "%.80s", member_text(row, "station"));
}

const char *const defect_found_texts[] = {"code", "place", "text", "operator", NULL};
const char *const defect_done_texts[] = {"action", "part", "text", "operator", NULL};

void texts_joined(const cJSON *row, const char *const *names, char *out, size_t size)
{
    size_t used = 0;
    *out = '\0';
    for (; *names && used < size; names++)
        if (*member_text(row, *names)) {
            int n = snprintf(out + used, size - used, "%s%.400s", used ? " · " : "",
                             member_text(row, *names));
            used += n > 0 ? (size_t)n : 0;
        }
}
