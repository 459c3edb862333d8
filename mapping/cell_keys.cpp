#include "mapping/cell_keys.h"

#include "mapping/switching_keys.h"

namespace bitline {

namespace {

using A = Architecture;
using C = CellOptions;

template <class... Members>
auto cell(Members... members) {
    return member_of(&A::cell, members...);
}

constexpr OptionRange kSigma{0, 10};
constexpr OptionRange kShareRange{0, 1};
constexpr OptionRange kConductance{0, 1};         // S; 1 S is 1 ohm, far above any memory cell
constexpr OptionRange kTopConductance{1e-12, 1};  // S
constexpr OptionRange kAnyConductance{-1, 1};
constexpr OptionRange kTime{1e-12, 1e12, false};  // s; 30,000 years
constexpr OptionRange kEnergy{-10, 10};           // eV
constexpr OptionRange kTemperature{1, 2000};      // K
constexpr OptionRange kCount{0, 1e18};
constexpr OptionRange kCoefficient{-1e9, 1e9};
constexpr size_t kMostLevels = 65536, kMostTerms = 16, kMostTimes = 64;

using Model = ProgrammingErrorOptions::Model;
using Placement = LevelOptions::Placement;

OptionCondition<A> when(const std::string& key, const std::string& values, bool (*holds)(const C&)) {
    return {key + " = " + values, {key}, [holds](const A& a) { return holds(a.cell); }};
}

OptionCondition<A> when_above_zero(const std::string& key, double (*value)(const C&)) {
    return {key + " > 0", {key}, [value](const A& a) { return value(a.cell) > 0; }};
}

bool scaled_by_sigma(const C& c) {
    const Model model = c.programming_error.model;
    // With sigma = 0 the model has no effect either; `none` beside it is then as good.
    return (model != Model::none || c.programming_error.sigma == 0) && model != Model::state && model != Model::table;
}

const OptionCondition<A> kSigmaModel =
    when("cell.programming_error.model", "independent, proportional, lognormal or uniform", scaled_by_sigma);
const OptionCondition<A> kStateModel =
    when("cell.programming_error.model", "state", [](const C& c) { return c.programming_error.model == Model::state; });
const OptionCondition<A> kTableModel =
    when("cell.programming_error.model", "table", [](const C& c) { return c.programming_error.model == Model::table; });
const OptionCondition<A> kLevelTable =
    when("cell.levels.placement", "table", [](const C& c) { return c.levels.placement == Placement::table; });
const OptionCondition<A> kDrift = when("cell.drift.model", "power or logarithmic",
                                       [](const C& c) { return c.drift.model != DriftOptions::Model::none; });
const OptionCondition<A> kRelaxation{
    "cell.relaxation.times", {"cell.relaxation.times"}, [](const A& a) { return !a.cell.relaxation.times.empty(); }};
const OptionCondition<A> kRetention = when("cell.retention.model", "decay or flip", [](const C& c) {
    return c.retention.model != RetentionOptions::Model::none;
});
const OptionCondition<A> kDecay = when("cell.retention.model", "decay",
                                       [](const C& c) { return c.retention.model == RetentionOptions::Model::decay; });
const OptionCondition<A> kWindowLoss =
    when_above_zero("cell.endurance.loss", [](const C& c) { return c.endurance.loss; });
const OptionCondition<A> kDisturb =
    when_above_zero("cell.read_disturb.rate", [](const C& c) { return c.read_disturb.rate; });
const OptionCondition<A> kTelegraph =
    when_above_zero("cell.read_noise.telegraph.amplitude", [](const C& c) { return c.read_noise.telegraph.amplitude; });
const OptionCondition<A> kCurrentNoise{"cell.read_noise.thermal = true or cell.read_noise.shot = true",
                                       {"cell.read_noise.thermal", "cell.read_noise.shot"},
                                       [](const A& a) { return a.cell.read_noise.thermal || a.cell.read_noise.shot; }};
const OptionCondition<A> kFlicker{
    "cell.read_noise.flicker.amplitude",
    {"cell.read_noise.flicker.amplitude.polynomial", "cell.read_noise.flicker.amplitude.log_slope",
     "cell.read_noise.flicker.amplitude.power_scale", "cell.read_noise.flicker.amplitude.above"},
    [](const A& a) { return !is_zero(a.cell.read_noise.flicker.amplitude); }};
const OptionCondition<A> kHeat{"cell.temperature.activation_energy other than 0",
                               {"cell.temperature.activation_energy"},
                               [](const A& a) { return a.cell.temperature.activation_energy != 0; }};
const OptionCondition<A> kAcceleration{"cell.retention.activation_energy other than 0",
                                       {"cell.retention.activation_energy"},
                                       [](const A& a) { return a.cell.retention.activation_energy != 0; }};

const std::vector<std::pair<DeviceFamily, std::string>> kFamilies{
    {DeviceFamily::other, "other"}, {DeviceFamily::rram, "rram"},   {DeviceFamily::pcm, "pcm"},
    {DeviceFamily::sram, "sram"},   {DeviceFamily::fefet, "fefet"}, {DeviceFamily::flash, "flash"},
    {DeviceFamily::mram, "mram"}};
const std::vector<std::pair<Placement, std::string>> kPlacements{
    {Placement::linear, "linear"}, {Placement::logarithmic, "logarithmic"}, {Placement::table, "table"}};
const std::vector<std::pair<Model, std::string>> kModels{
    {Model::none, "none"},           {Model::independent, "independent"}, {Model::proportional, "proportional"},
    {Model::lognormal, "lognormal"}, {Model::uniform, "uniform"},         {Model::state, "state"},
    {Model::table, "table"}};
const std::vector<std::pair<DriftOptions::Model, std::string>> kDriftModels{
    {DriftOptions::Model::none, "none"},
    {DriftOptions::Model::power, "power"},
    {DriftOptions::Model::logarithmic, "logarithmic"}};
const std::vector<std::pair<RelaxationOptions::Form, std::string>> kForms{
    {RelaxationOptions::Form::polynomial, "polynomial"}, {RelaxationOptions::Form::table, "table"}};
const std::vector<std::pair<RetentionOptions::Model, std::string>> kRetentionModels{
    {RetentionOptions::Model::none, "none"},
    {RetentionOptions::Model::decay, "decay"},
    {RetentionOptions::Model::flip, "flip"}};
const std::vector<std::pair<Persistence, std::string>> kPersistences{{Persistence::conversion, "conversion"},
                                                                     {Persistence::product, "product"},
                                                                     {Persistence::sample, "sample"},
                                                                     {Persistence::chip, "chip"}};

/// The keys of a law of the state; `meaning` says of what.
template <class Access>
OptionFields<A> state_law_keys(const std::string& path, Access law, const OptionUnit& unit, const std::string& meaning,
                               const OptionCondition<A>* condition) {
    const auto part = [law](auto member) {
        return [=](auto& a) -> auto& { return law(a).*member; };
    };
    OptionFields<A> keys{
        list_field<A>(path + ".polynomial", part(&StateLaw::polynomial), kCoefficient, unit, kMostTerms,
                      meaning + ": c0, c1, .. of a polynomial of r = G_target / G_max"),
        real_field<A>(path + ".log_slope", part(&StateLaw::log_slope), kCoefficient, unit, "plus log_slope * ln r"),
        real_field<A>(path + ".power_scale", part(&StateLaw::power_scale), kCoefficient, unit,
                      "plus power_scale * r^power"),
        real_field<A>(path + ".power", part(&StateLaw::power), {-100, 100}, kPureNumber, "see power_scale"),
        real_field<A>(path + ".low", part(&StateLaw::low), kCoefficient, unit, "the sum is clipped to low .. high"),
        real_field<A>(path + ".high", part(&StateLaw::high), kCoefficient, unit, "the sum is clipped to low .. high"),
        real_field<A>(path + ".above_from", part(&StateLaw::above_from), {0, 1e9}, kPureNumber,
                      "from this r on, the polynomial `above` holds instead; 0: nowhere"),
        list_field<A>(path + ".above", part(&StateLaw::above), kCoefficient, unit, kMostTerms,
                      "c0, c1, .. of the polynomial from above_from on, which is not clipped"),
    };
    for (OptionField<A>& key : keys) key.condition = condition;
    return keys;
}

void append(OptionFields<A>& keys, const OptionFields<A>& more) { keys.insert(keys.end(), more.begin(), more.end()); }

OptionFields<A> level_keys() {
    using L = LevelOptions;
    return {
        text_field<A>("cell.name", cell(&C::name), "of the device, in reports"),
        text_field<A>("cell.description", cell(&C::description), "one line for lists"),
        choice_field<A>("cell.family", cell(&C::family), kFamilies, "what kind of device it is, for lists"),
        text_field<A>("cell.source", cell(&C::source), "where the device's constants come from"),
        integer_field<A>("cell.bits", cell(&C::bits), {1, 16}, "bits per cell: 2^bits levels"),
        real_field<A>("cell.g_min", cell(&C::g_min), kConductance, kSiemens,
                      "conductance of the lowest level; below cell.g_max"),
        real_field<A>("cell.g_max", cell(&C::g_max), kTopConductance, kSiemens, "conductance of the highest level"),
        real_field<A>("cell.g_ceiling", cell(&C::g_ceiling), kConductance, kSiemens,
                      "physical limit that conductances are clipped to, cell.g_max to 10 cell.g_max; "
                      "0: 1.5 cell.g_max"),
        bool_field<A>("cell.reprogrammable", cell(&C::reprogrammable),
                      "weights may be reloaded while running (SRAM): a network larger than the chip takes turns on it"),
        choice_field<A>("cell.levels.placement", cell(&C::levels, &L::placement), kPlacements,
                        "where the levels lie between g_min and g_max; sums are decoded as if they were equally "
                        "spaced"),
        list_field<A>("cell.levels.table", cell(&C::levels, &L::table), kConductance, kSiemens, kMostLevels,
                      "conductances, evenly spaced over the levels, rising from g_min to g_max")
            .only_with(kLevelTable),
    };
}

OptionFields<A> writing_keys() {
    using P = ProgrammingErrorOptions;
    using S = StuckAtOptions;
    using M = MeasurementOptions;
    OptionFields<A> keys{
        choice_field<A>("cell.programming_error.model", cell(&C::programming_error, &P::model), kModels,
                        "standard deviation of a written conductance: independent and uniform sigma * G_max, "
                        "proportional sigma * G, lognormal G * exp(sigma * normal), state a law of the state, table "
                        "a value for each level"),
        real_field<A>("cell.programming_error.sigma", cell(&C::programming_error, &P::sigma), kSigma, kShare,
                      "see cell.programming_error.model; 0: off")
            .only_with(kSigmaModel),
    };
    append(keys, state_law_keys("cell.programming_error.deviation", cell(&C::programming_error, &P::deviation),
                                kSiemens, "standard deviation of a written conductance", &kStateModel));
    append(keys, {
                     list_field<A>("cell.programming_error.table", cell(&C::programming_error, &P::table), kConductance,
                                   kSiemens, kMostLevels, "standard deviations, evenly spaced over the levels")
                         .only_with(kTableModel),
                     real_field<A>("cell.device_to_device.sigma",
                                   cell(&C::device_to_device, &DeviceToDeviceOptions::sigma), kSigma, kShare,
                                   "what fabrication made of a cell: relative spread, the same at every write"),
                     real_field<A>("cell.stuck_at.low_rate", cell(&C::stuck_at, &S::low_rate), kShareRange, kShare,
                                   "share of cells stuck at G_min; low_rate + high_rate <= 1"),
                     real_field<A>("cell.stuck_at.high_rate", cell(&C::stuck_at, &S::high_rate), kShareRange, kShare,
                                   "share of cells stuck at G_max"),
                     text_field<A>("cell.stuck_at.map", cell(&C::stuck_at, &S::map),
                                   "file of faulty cells and lines, .csv or .h5, beside the rates; \"\": none"),
                     text_field<A>("cell.data", cell(&C::measured, &M::data),
                                   "file of measured conductances over target and time, .csv or .h5, in place of "
                                   "programming_error, relaxation and drift; \"\": none"),
                     text_field<A>("cell.conductance_map", cell(&C::measured, &M::conductance_map),
                                   "file of the conductances of a chip's cells after programming, .h5; \"\": none"),
                 });
    return keys;
}

OptionFields<A> ageing_keys() {
    using D = DriftOptions;
    using X = RelaxationOptions;
    using R = RetentionOptions;
    OptionFields<A> keys{
        choice_field<A>("cell.drift.model", cell(&C::drift, &D::model), kDriftModels,
                        "power: G (t / t0)^-nu, logarithmic: G (1 - nu log10(t / t0))"),
        real_field<A>("cell.drift.t0", cell(&C::drift, &D::t0), kTime, kSeconds,
                      "when the programmed conductance was read; nothing drifts before")
            .only_with(kDrift),
    };
    append(keys, state_law_keys("cell.drift.exponent", cell(&C::drift, &D::exponent), kPureNumber,
                                "mean of nu over cells", &kDrift));
    append(keys, state_law_keys("cell.drift.deviation", cell(&C::drift, &D::deviation), kPureNumber,
                                "standard deviation of nu over cells", &kDrift));
    append(keys,
           {bool_field<A>("cell.drift.folded", cell(&C::drift, &D::folded), "|nu| in place of nu").only_with(kDrift)});
    append(
        keys,
        {
            list_field<A>("cell.relaxation.times", cell(&C::relaxation, &X::times), kTime, kSeconds, kMostTimes,
                          "rising; between them G + mean + deviation * normal is interpolated in ln t; []: off"),
            choice_field<A>(
                "cell.relaxation.form", cell(&C::relaxation, &X::form), kForms,
                "of mean and deviation: c0, c1, .. of polynomials of r = G_target / G_max, or values evenly "
                "spaced over r = 0 .. 1")
                .only_with(kRelaxation),
            bool_field<A>("cell.relaxation.includes_programming", cell(&C::relaxation, &X::includes_programming),
                          "the deviation is that from the target: it starts at t = 0, and takes the place of "
                          "cell.programming_error")
                .only_with(kRelaxation),
            list_field<A>("cell.relaxation.mean", cell(&C::relaxation, &X::mean), kAnyConductance, kSiemens,
                          kMostTimes * kMostTerms, "in the form above, for one time after the other; []: 0")
                .only_with(kRelaxation),
            list_field<A>("cell.relaxation.deviation", cell(&C::relaxation, &X::deviation), kAnyConductance, kSiemens,
                          kMostTimes * kMostTerms, "in the form above, for one time after the other; []: 0")
                .only_with(kRelaxation),
            choice_field<A>("cell.retention.model", cell(&C::retention, &R::model), kRetentionModels,
                            "decay: G - C falls as exp(-(t / tau)^beta); flip: a cell mirrors its level with "
                            "probability (1 - exp(-2 t / tau)) / 2"),
            real_field<A>("cell.retention.tau", cell(&C::retention, &R::tau), kTime, kSeconds,
                          "at the reference temperature")
                .only_with(kRetention),
            real_field<A>("cell.retention.beta", cell(&C::retention, &R::beta), {0.01, 100}, kPureNumber,
                          "see cell.retention.model")
                .only_with(kDecay),
            real_field<A>("cell.retention.toward", cell(&C::retention, &R::toward), kShareRange, kShare,
                          "where C lies between g_min and g_max")
                .only_with(kDecay),
            real_field<A>("cell.retention.activation_energy", cell(&C::retention, &R::activation_energy), kEnergy,
                          kElectronvolts, "tau grows as exp(Ea / kT); 0: it does not")
                .only_with(kRetention),
            real_field<A>("cell.retention.reference_temperature", cell(&C::retention, &R::reference_temperature),
                          kTemperature, kKelvin, "where tau holds")
                .only_with(kAcceleration),
            real_field<A>("cell.temperature.activation_energy",
                          cell(&C::temperature, &TemperatureOptions::activation_energy), kEnergy, kElectronvolts,
                          "conductances grow as exp(-Ea / kT); 0: they do not"),
            real_field<A>("cell.temperature.reference_temperature",
                          cell(&C::temperature, &TemperatureOptions::reference_temperature), kTemperature, kKelvin,
                          "where the conductances hold")
                .only_with(kHeat),
            real_field<A>("cell.endurance.loss", cell(&C::endurance, &EnduranceOptions::loss), kShareRange, kShare,
                          "of the window between g_min and g_max, for every decade of writes beyond onset"),
            real_field<A>("cell.endurance.onset", cell(&C::endurance, &EnduranceOptions::onset), {1, 1e18}, kPureNumber,
                          "writes before the window closes")
                .only_with(kWindowLoss),
            real_field<A>("cell.endurance.writes", cell(&C::endurance, &EnduranceOptions::writes), {1, 1e18},
                          kPureNumber, "that the cells have seen")
                .only_with(kWindowLoss),
            real_field<A>("cell.read_disturb.rate", cell(&C::read_disturb, &ReadDisturbOptions::rate), kShareRange,
                          kShare, "by which every read moves a cell"),
            real_field<A>("cell.read_disturb.reads", cell(&C::read_disturb, &ReadDisturbOptions::reads), kCount,
                          kPureNumber, "since programming")
                .only_with(kDisturb),
            real_field<A>("cell.read_disturb.toward", cell(&C::read_disturb, &ReadDisturbOptions::toward), kShareRange,
                          kShare, "where reads move a cell: 0 g_min, 1 g_max")
                .only_with(kDisturb),
        });
    return keys;
}

OptionFields<A> reading_keys() {
    using N = ReadNoiseOptions;
    using F = ReadNoiseOptions::Flicker;
    using T = ReadNoiseOptions::Telegraph;
    OptionFields<A> keys{
        real_field<A>("cell.read_noise.sigma", cell(&C::read_noise, &N::sigma), kSigma, kShare,
                      "standard deviation relative to G, fresh at every read"),
        bool_field<A>("cell.read_noise.thermal", cell(&C::read_noise, &N::thermal), "current noise 4 k T G B"),
        bool_field<A>("cell.read_noise.shot", cell(&C::read_noise, &N::shot), "current noise 2 q G V B"),
        real_field<A>("cell.read_noise.bandwidth", cell(&C::read_noise, &N::bandwidth), {0, 1e15}, kHertz,
                      "B of thermal and shot noise")
            .only_with(kCurrentNoise),
        real_field<A>("cell.read_noise.read_voltage", cell(&C::read_noise, &N::read_voltage), {1e-6, 100}, kVolts,
                      "V of thermal and shot noise")
            .only_with(kCurrentNoise),
    };
    append(keys, state_law_keys("cell.read_noise.flicker.amplitude", cell(&C::read_noise, &N::flicker, &F::amplitude),
                                kPureNumber, "Q of 1/f noise, rms G Q sqrt(ln((t + t_read) / (2 t_read)))", nullptr));
    append(keys,
           {
               bool_field<A>("cell.read_noise.flicker.absolute", cell(&C::read_noise, &N::flicker, &F::absolute),
                             "the amplitude is in S and stands for G Q")
                   .only_with(kFlicker),
               real_field<A>("cell.read_noise.flicker.read_time", cell(&C::read_noise, &N::flicker, &F::read_time),
                             kTime, kSeconds, "t_read of 1/f noise")
                   .only_with(kFlicker),
               choice_field<A>("cell.read_noise.flicker.persists", cell(&C::read_noise, &N::flicker, &F::persists),
                               kPersistences, "what the noise keeps its value over")
                   .only_with(kFlicker),
               real_field<A>("cell.read_noise.telegraph.amplitude", cell(&C::read_noise, &N::telegraph, &T::amplitude),
                             kShareRange, kShare, "by which G is lower while a trap is filled"),
               real_field<A>("cell.read_noise.telegraph.share_of_cells",
                             cell(&C::read_noise, &N::telegraph, &T::share_of_cells), kShareRange, kShare,
                             "that have a trap")
                   .only_with(kTelegraph),
               real_field<A>("cell.read_noise.telegraph.capture_time",
                             cell(&C::read_noise, &N::telegraph, &T::capture_time), kTime, kSeconds,
                             "mean time until a free trap is filled")
                   .only_with(kTelegraph),
               real_field<A>("cell.read_noise.telegraph.emission_time",
                             cell(&C::read_noise, &N::telegraph, &T::emission_time), kTime, kSeconds,
                             "mean time until a filled trap is freed")
                   .only_with(kTelegraph),
               choice_field<A>("cell.read_noise.telegraph.persists", cell(&C::read_noise, &N::telegraph, &T::persists),
                               kPersistences, "what a trap keeps its state over")
                   .only_with(kTelegraph),
               real_field<A>("cell.series.resistance", cell(&C::series, &SeriesOptions::resistance), {0, 1e12}, kOhms,
                             "of the access transistor or selector, in series with every cell"),
               list_field<A>("cell.valid.time", cell(&C::valid, &ValidRange::time), {0, 1e12}, kSeconds, 2,
                             "first and last time that the model covers; []: any"),
               list_field<A>("cell.valid.temperature", cell(&C::valid, &ValidRange::temperature), kTemperature, kKelvin,
                             2, "lowest and highest temperature that the model covers; []: any"),
           });
    return keys;
}

}  // namespace

OptionFields<Architecture> cell_keys() {
    OptionFields<A> keys;
    for (const auto& some : {level_keys(), writing_keys(), switching_keys(), write_verify_keys(), ageing_keys(),
                             reading_keys(), current_keys()})
        append(keys, some);
    return keys;
}

}  // namespace bitline
