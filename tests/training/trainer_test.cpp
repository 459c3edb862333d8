#include "training/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/parallel.h"
#include "tests/support/listed_data.h"
#include "tests/support/temporary_folder.h"
#include "training/zoo.h"

namespace bitline::training {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ListedData;
using testing::TemporaryFolder;
using ::testing::ThrowsMessage;

auto config_error(const std::string& text) { return ThrowsMessage<ConfigError>(HasSubstr(text)); }

// ------------------------------------------------------------------------------------------ options

TEST(EpochSchedule, IsReadAndWritten) {
    for (const std::string text : {"constant", "cosine", "step=30/60:0.1", "step=1.5:0.2", "exponential=0.95"})
        EXPECT_EQ(to_string(parse_schedule(text)), text);
    EXPECT_EQ(to_string(parse_schedule("step=30")), "step=30:0.1");
    const auto reading = [](const std::string& text) { return [text] { parse_schedule(text); }; };
    EXPECT_THAT(reading("cosin"), config_error("did you mean 'cosine'?"));
    EXPECT_THAT(reading("cosine=2"), config_error("takes no value"));
    EXPECT_THAT(reading("step"), config_error("needs the epochs"));
    EXPECT_THAT(reading("step=30/20"), config_error("do not rise"));
    EXPECT_THAT(reading("step=0"), config_error("0 < epoch"));
    EXPECT_THAT(reading("step=30:2"), config_error("0 < factor <= 1"));
    EXPECT_THAT(reading("exponential"), config_error("needs the factor"));
}

TEST(EpochSchedule, CountsStepsOfItsEpochs) {
    EpochSchedule schedule = parse_schedule("step=2/3.5:0.5");
    schedule.rate = 8;
    schedule.warm_up = 0.5;
    const ScheduleOptions steps = in_steps(schedule, 10);
    EXPECT_EQ(steps.warm_up, 5);
    EXPECT_THAT(steps.milestones, ElementsAre(20, 35));
    EXPECT_EQ(learning_rate(steps, 19, 50), 8);
    EXPECT_EQ(learning_rate(steps, 20, 50), 4);
    EXPECT_EQ(learning_rate(steps, 35, 50), 2);
    const ScheduleOptions falling = in_steps(parse_schedule("exponential=0.5"), 10);
    EXPECT_NEAR(learning_rate(falling, 20, 50), 0.001 / 4, 1e-12);
}

TEST(TrainOptions, AreCheckedAndDescribed) {
    const auto refused = [](const std::function<void(TrainOptions&)>& change, const std::string& text) {
        TrainOptions options;
        change(options);
        EXPECT_THAT([&] { validate(options); }, config_error(text));
    };
    refused([](auto& o) { o.epochs = 0; }, "epochs = 0 violates 1 <= epochs");
    refused([](auto& o) { o.batch = 0; }, "batch = 0");
    refused([](auto& o) { o.schedule.rate = 0; }, "rate = 0 violates 0 < rate");
    refused([](auto& o) { o.schedule.rate = std::nan(""); }, "rate");
    refused([](auto& o) { o.loss.smoothing = 1; }, "label smoothing = 1");
    const auto differs = [](const std::function<void(TrainOptions&)>& change) {
        TrainOptions options;
        change(options);
        EXPECT_NE(describe(options), describe(TrainOptions{}));
    };
    differs([](auto& o) { o.epochs = 3; });
    differs([](auto& o) { o.seed = 3; });
    differs([](auto& o) { o.optimizer.kind = OptimizerOptions::Kind::adam; });
    TrainOptions adam, adamw;
    adam.optimizer.kind = adamw.optimizer.kind = OptimizerOptions::Kind::adam;
    adamw.optimizer.decoupled = true;
    EXPECT_NE(describe(adam), describe(adamw));
    differs([](auto& o) { o.optimizer.nesterov = true; });
    differs([](auto& o) { o.optimizer.momentum = 0.8; });
    differs([](auto& o) { o.optimizer.largest_norm = 0.8; });
    differs([](auto& o) { o.schedule.factor = 0.8, o.schedule.kind = ScheduleOptions::Kind::exponential; });
    differs([](auto& o) { o.loss.smoothing = 0.1; });
    differs([](auto& o) { o.loss.kind = LossOptions::Kind::mean_squared_error; });
    differs([](auto& o) { o.augmentation.flip = true; });
    differs([](auto& o) { o.preprocess.scale = 2; });
    differs([](auto& o) { o.freeze_batch_norm_after = 0; });
}

// ------------------------------------------------------------------------------------------ runs

/// Images of three classes: a bright block above to the left, above to the right, or below, under noise.
std::shared_ptr<ListedData> blocks(int64_t samples, uint32_t seed) {
    std::vector<float> x;
    std::vector<int32_t> y;
    PhiloxEngine engine(stream_key(seed, 0, Purpose::test), 0, 0, 0);
    for (int64_t i = 0; i < samples; ++i) {
        const auto label = static_cast<int32_t>(engine() % 3);
        for (int pixel = 0; pixel < 16; ++pixel) {
            const bool bright = pixel / 8 == label / 2 && (label == 2 || (pixel % 4) / 2 == label);
            x.push_back((bright ? 1.0F : 0.0F) + 0.5F * gaussian(engine()));
        }
        y.push_back(label);
    }
    return std::make_shared<ListedData>(Shape{1, 4, 4}, x, y);
}

constexpr char kLayers[] =
    "layers:\n"
    "  conv: {type: convolution, channels: 6, kernel: 3, pad: 1}\n"
    "  norm: {type: batch_norm}\n"
    "  act: {type: relu}\n"
    "  flat: {type: flatten}\n"
    "  fc: {type: fully_connected, channels: classes}\n";

struct Setting {
    std::string method = "ste";
    TrainOptions options;
    TrainData data{blocks(100, 1), blocks(60, 2), nullptr};
    TrainingNetwork network = parse_network(kLayers, "test", {1, 4, 4}, 3, {}, 5);

    Setting() {
        options.epochs = 4;
        options.batch = 16;
        options.optimizer.kind = OptimizerOptions::Kind::adam;
        options.schedule.rate = 0.01;
        options.augmentation.flip = false;
        options.augmentation.crop = 1;
    }
    ModelOptions model_options() const {
        ModelOptions o;
        o.method = method;
        o.weight_bits = o.input_bits = 4;
        return o;
    }
};

struct Made {
    explicit Made(const Setting& s)
        : model(s.network, s.model_options()), trainer(model, s.network.network, s.data, s.options) {}
    Model model;
    Trainer trainer;
};

void expect_same_state(const Checkpoint& a, const Checkpoint& b) {
    EXPECT_EQ(a.parameters, b.parameters);
    EXPECT_EQ(a.states, b.states);
    EXPECT_EQ(a.optimizer, b.optimizer);
    EXPECT_EQ(a.standing.step, b.standing.step);
    EXPECT_EQ(a.standing.epoch.loss, b.standing.epoch.loss);
    EXPECT_EQ(a.standing.best_accuracy, b.standing.best_accuracy);
}

TEST(Trainer, LearnsAndTellsOfEveryEpoch) {
    Setting setting;
    setting.options.epochs = 8;
    setting.options.augmentation = {};
    Made made(setting);
    std::vector<EpochResult> epochs;
    int64_t steps = 0;
    TrainHooks hooks;
    hooks.progress = [&](const TrainProgress& p) { EXPECT_EQ(p.step, ++steps); };
    hooks.epoch = [&](const EpochResult& r) { epochs.push_back(r); };
    made.trainer.run(hooks);
    ASSERT_EQ(epochs.size(), 8U);
    EXPECT_EQ(steps, 8 * 7);
    EXPECT_EQ(epochs[7].step, 56);
    EXPECT_LT(epochs[7].loss, epochs[0].loss / 2);
    EXPECT_GE(epochs[7].test_accuracy, 0.9);
    Batches test(setting.data.test, {1, 4, 4}, {});
    EXPECT_EQ(evaluate(made.model, test, 7, Pass{}), epochs[7].test_accuracy);
}

TEST(Trainer, GoesOnWithTheBitsOfAnUnbrokenRun) {
    const TemporaryFolder folder;
    for (const std::string method : {"", "ste"}) {
        Setting setting;
        setting.method = method;
        Made whole(setting);
        whole.trainer.run({});
        for (const int64_t stop : {1, 7, 9, 14}) {  // within an epoch, and where one ends
            Made first(setting);
            TrainHooks hooks;
            hooks.progress = [&](const TrainProgress& p) {
                if (p.step == stop) throw Interrupted();
            };
            EXPECT_THROW(first.trainer.run(hooks), Interrupted);
            write_checkpoint(first.trainer.checkpoint(), folder.file("c.h5"));
            Made second(setting);
            second.trainer.resume(read_checkpoint(folder.file("c.h5")), "c.h5");
            EXPECT_EQ(second.trainer.standing().step, stop);
            second.trainer.run({});
            expect_same_state(second.trainer.checkpoint(), whole.trainer.checkpoint());
        }
    }
}

TEST(Trainer, HasTheSameBitsForAnyNumberOfThreads) {
    const Setting setting;
    set_threads(1);
    Made one(setting);
    one.trainer.run({});
    set_threads(3);
    Made three(setting);
    three.trainer.run({});
    set_threads(0);
    expect_same_state(one.trainer.checkpoint(), three.trainer.checkpoint());
    Setting other = setting;
    other.options.seed = 1;
    Made otherwise(other);
    otherwise.trainer.run({});
    EXPECT_NE(otherwise.trainer.checkpoint().parameters, one.trainer.checkpoint().parameters);
}

TEST(Trainer, RefusesTheCheckpointOfAnotherRun) {
    const Setting setting;
    Made made(setting);
    const auto refused = [&](const Setting& other, const std::string& text) {
        Made fresh(other);
        EXPECT_THAT([&] { fresh.trainer.resume(made.trainer.checkpoint(), "c.h5"); }, config_error(text));
    };
    Setting other;
    other.options.schedule.rate = 0.02;
    refused(other, "with rate '0.01', and here it is '0.02'");
    other = Setting();
    other.data.training = blocks(100, 3);
    refused(other, "other training data");
    other = Setting();
    other.network.network.nodes[0].name = "another";
    refused(other, "another network");
    other = Setting();
    other.method = "";
    refused(other, "with method 'ste', and here it is 'float'");
    Checkpoint astray = made.trainer.checkpoint();
    astray.standing.step = 9;
    EXPECT_THAT([&] { Made(setting).trainer.resume(astray, "c.h5"); },
                ThrowsMessage<FormatError>(HasSubstr("is no place in this run")));
}

TEST(Trainer, BeginsWithWhatAnotherRunHasLearned) {
    Setting setting;
    setting.method = "";
    Made floating(setting);
    floating.trainer.run({});
    Setting quantized;
    quantized.options.schedule.rate = 0.001;
    Made made(quantized);
    made.trainer.start_from(floating.trainer.checkpoint(), "c.h5");
    EXPECT_EQ(made.trainer.standing().step, 0);
    EXPECT_EQ(made.model.parameters()[0]->value, floating.model.parameters()[0]->value);
}

TEST(Trainer, StopsWhereNumbersAreNoLongerFinite) {
    Setting setting;
    setting.options.optimizer.kind = OptimizerOptions::Kind::sgd;
    setting.options.schedule = {ScheduleOptions::Kind::constant, 1e6, 0, 0.1, {}};
    setting.options.loss.kind = LossOptions::Kind::mean_squared_error;
    setting.method = "";
    Made made(setting);
    EXPECT_THAT([&] { made.trainer.run({}); },
                ThrowsMessage<Diverged>(AllOf(HasSubstr("step "), HasSubstr("(epoch "))));
}

TEST(Trainer, LearnsFromATeacher) {
    Setting setting;
    setting.method = "";
    Made teacher(setting);
    teacher.trainer.run({});
    Setting student;
    student.options.loss.kind = LossOptions::Kind::distillation;
    student.options.loss.distillation = {1, 1};
    EXPECT_THAT([&] { Made made(student); }, config_error("needs a teacher"));
    student.data.teacher = std::make_shared<const Network>(teacher.model.real());
    student.options.epochs = 8;
    Made made(student);
    std::vector<double> losses;
    TrainHooks hooks;
    hooks.epoch = [&](const EpochResult& r) { losses.push_back(r.loss); };
    made.trainer.run(hooks);
    EXPECT_LT(losses.back(), losses.front() / 4);  // no labels, weight 1: the teacher alone
}

TEST(Trainer, RefusesDataThatDoNotFit) {
    Setting setting;
    setting.data.test =
        std::make_shared<ListedData>(Shape{1, 4, 4}, std::vector<float>(16, 0.0F), std::vector<int32_t>{});
    EXPECT_THAT([&] { Made made(setting); }, config_error("carries no labels"));
    setting.data.test =
        std::make_shared<ListedData>(Shape{1, 4, 4}, std::vector<float>(16, 0.0F), std::vector<int32_t>{3});
    EXPECT_THAT([&] { Made made(setting); }, config_error("label 3"));
    setting.data.test =
        std::make_shared<ListedData>(Shape{1, 5, 4}, std::vector<float>(20, 0.0F), std::vector<int32_t>{0});
    EXPECT_THAT([&] { Made made(setting); }, config_error("shape"));
}

}  // namespace
}  // namespace bitline::training
