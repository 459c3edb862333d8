#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "bindings/cli/command.h"
#include "bindings/cli/inputs.h"
#include "bindings/cli/progress.h"
#include "bindings/cli/terminal.h"
#include "bindings/cli/train_arguments.h"
#include "bindings/cli/train_report.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/model_io.h"
#include "core/options.h"
#include "core/parallel.h"
#include "training/run.h"

namespace bitline::cli {

namespace {

using namespace training;

std::optional<int64_t> parse_count(const std::string& option, const std::optional<std::string>& text) {
    if (!text) return std::nullopt;
    return parse_whole(option, *text, 1, int64_t(1) << 40);
}

std::string default_checkpoint(const std::string& output) {
    std::filesystem::path path(output);
    return path.replace_extension(".checkpoint.h5").string();
}

void require_extension(const std::string& option, const std::string& path, const std::string& extension) {
    if (std::filesystem::path(path).extension() == extension) return;
    throw ConfigError(fmt::format("{} {}: the name does not end in {}", option, printable(path), extension));
}

std::vector<std::string> input_files(const TrainArguments& a) {
    std::vector<std::string> files = files_of(*a.data);
    for (const std::string& file : files_of(*a.test)) files.push_back(file);
    if (source_of(*a.model) != NetworkSource::name) files.push_back(*a.model);
    for (const auto& given : {a.teacher, a.initial}) {
        if (given) files.push_back(*given);
    }
    return files;
}

void check_outputs(const TrainArguments& a, const std::string& checkpoint) {
    const std::vector<std::string> inputs = input_files(a);
    std::vector<std::string> outputs{*a.output, checkpoint};
    require_extension("-o", *a.output, ".h5");
    require_output("-o", *a.output, inputs);
    require_output("--checkpoint", checkpoint, inputs);
    if (a.onnx) {
        require_extension("--onnx", *a.onnx, ".onnx");
        require_output("--onnx", *a.onnx, inputs);
        outputs.push_back(*a.onnx);
    }
    if (a.json && *a.json != kStandardOutput) {
        require_output("--json", *a.json, inputs);
        outputs.push_back(*a.json);
    }
    require_distinct(outputs);
}

// ---------------------------------------------------------------------------------------------- the run

TrainData open_data(const TrainArguments& a) {
    TrainData data;
    data.training = open_dataset(*a.data, parse_count("--limit", a.limit));
    data.test = open_dataset(*a.test, parse_count("--test-limit", a.test_limit));
    if (a.teacher) data.teacher = std::make_shared<const Network>(read_model(*a.teacher).network);
    return data;
}

RunOrigin origin_of(const TrainArguments& a) {
    const auto hash_of = [](const std::string& file) { return "of SHA-256 " + sha256_file(file); };
    const NetworkSource source = source_of(*a.model);
    RunOrigin origin;
    origin.network = source == NetworkSource::name ? *a.model : hash_of(*a.model);
    origin.new_network = source != NetworkSource::file;
    if (a.teacher) origin.teacher = hash_of(*a.teacher);
    if (a.initial) origin.start = hash_of(*a.initial);
    return origin;
}

/// What only the command line knows of a run.
struct Files {
    std::string checkpoint;
    int64_t every = 1;  // epochs between checkpoints
    std::optional<Checkpoint> resume, initial;
    std::string preprocess_origin;
};

/// Reads and checks everything, cheapest first, before the long work starts.
std::unique_ptr<Run> prepare(const TrainArguments& a, Files& files) {
    const RunPlan plan = parse_run(a);
    if (a.threads) set_threads(static_cast<int>(parse_whole("--threads", *a.threads, 1, 1024)));
    if (a.every) files.every = parse_whole("--every", *a.every, 1, 1000000);
    if (a.resume && a.initial) throw ConfigError("--initial has no effect with --resume, which goes on as it began");
    const bool from_file = source_of(*a.model) == NetworkSource::file;
    if (from_file) refuse_network_options(a);
    files.checkpoint = a.checkpoint ? *a.checkpoint : a.resume ? *a.resume : default_checkpoint(*a.output);
    check_outputs(a, files.checkpoint);
    if (a.resume) files.resume = read_checkpoint(*a.resume);
    if (a.initial) files.initial = read_checkpoint(*a.initial);
    const TrainData data = open_data(a);
    const TrainingNetwork network =
        from_file ? TrainingNetwork{read_model(*a.model).network, {}} : make_network(*a.model, a, plan, *data.training);
    const training::ChosenPreprocess chosen = training::choose_preprocess(a.preprocess, network.network, *a.data);
    files.preprocess_origin = chosen.origin;
    return std::make_unique<Run>(plan, origin_of(a), network, data, chosen.preprocess);
}

/// The command that goes on with this run.
std::string resume_command(const CLI::App& app, const std::string& checkpoint) {
    std::string command = "bitline train";
    for (const CLI::Option* option : app.get_options()) {
        const std::string name = option->get_name();
        if (name == "--resume" || name == "--initial") continue;
        for (const std::string& value : option->results()) {
            const bool is_flag = option->get_expected_max() == 0;
            if (!option->get_positional()) command += " " + name.substr(0, name.find(','));
            if (!is_flag) command += " " + shell_word(value);
        }
    }
    return command + " --resume " + shell_word(checkpoint);
}

class Session {
 public:
    Session(const TrainArguments& a, const CLI::App& app)
        : arguments_(a), run_(prepare(a, files_)), app_(app), line_(a.quiet), journal_(a.json) {
        Trainer& trainer = run_->trainer();
        if (files_.resume) trainer.resume(*files_.resume, *a.resume);
        if (files_.initial) trainer.start_from(*files_.initial, *a.initial);
        report_.preprocess_origin = files_.preprocess_origin;
        journal_.keep(trainer.standing().epochs);
    }

    void train() {
        try {
            measure_before();
            run_->trainer().run(
                {[&](const TrainProgress& p) { show(p); }, [&](const EpochResult& result) { finish_epoch(result); }});
        } catch (const Interrupted&) {
            line_.clear();
            save_interrupted();
            throw;
        } catch (const Diverged& error) {
            throw RunError(fmt::format("{}; {}", error.what(), divergence_advice()));
        }
        write_results();
    }

 private:
    ProgressFunction on_line() {
        return [this](const Progress& p) { line_.show(p); };
    }

    void measure_before() {
        const bool from_file = source_of(*arguments_.model) == NetworkSource::file;
        if (!from_file || run_->trainer().standing().step > 0 || !run_->plan().quantized()) return;
        before_ = run_->measure_start(on_line());
        line_.clear();
    }

    /// Steps of small networks come by the thousand per second.
    void show(const TrainProgress& progress) {
        constexpr double kPause = 0.1;  // s
        if (progress.seconds < shown_ + kPause) return;
        shown_ = progress.seconds;
        line_.show(progress_of(progress));
    }

    void finish_epoch(const EpochResult& result) {
        report_.last = result;
        line_.keep(epoch_text(result));
        journal_.add(epoch_json(result));
        if (result.epoch % files_.every == 0 || result.epoch == result.epochs) save();
    }

    void save() {
        write_checkpoint(run_->trainer().checkpoint(), files_.checkpoint);
        saved_epoch_ = run_->trainer().standing().epochs;
    }

    void save_interrupted() {
        const InterruptHold hold;
        save();
        report_note(fmt::format("step {} is kept in {}; go on with: {}", run_->trainer().standing().step,
                                clean_line(files_.checkpoint), resume_command(app_, files_.checkpoint)));
    }

    std::string divergence_advice() const {
        const std::string advice = "a lower --rate, --warmup or --gradient-norm may keep it finite";
        if (saved_epoch_ < 0 && !files_.resume) return advice + "; there is no checkpoint yet";
        return fmt::format("{}; the last good checkpoint is {}: start from it with --initial", advice,
                           printable(saved_epoch_ < 0 ? *arguments_.resume : files_.checkpoint));
    }

    void write_results() {
        const Network network = run_->result();
        write_hdf5(network, *arguments_.output);
        report_.written = {*arguments_.output};
        if (arguments_.onnx) {
            write_onnx(network, *arguments_.onnx);
            report_.written.push_back(*arguments_.onnx);
        }
        if (arguments_.checkpoint) {
            report_.written.push_back(*arguments_.checkpoint);
        } else if (files_.checkpoint == default_checkpoint(*arguments_.output)) {
            std::filesystem::remove(files_.checkpoint);  // nobody asked for it, and it has served
        }
        const RunPlan& plan = run_->plan();
        std::optional<Chain> chain;
        if (plan.quantized()) chain = run_->measure(on_line());
        line_.clear();
        journal_.add(trained_json(network, run_->model(), plan.options));
        if (chain) journal_.add(to_json(plan.hardware, before_, *chain));
        if (arguments_.json == kStandardOutput) return;
        print(train_text(report_, network, run_->model(), plan.options, *run_->data().training, *run_->data().test));
        if (chain) print(chain_text(plan.hardware, before_, *chain));
    }

    const TrainArguments& arguments_;
    Files files_;
    std::unique_ptr<Run> run_;
    TrainReport report_;
    const CLI::App& app_;
    ProgressLine line_;
    EpochJournal journal_;
    int64_t saved_epoch_ = -1;
    std::optional<Chain> before_;
    double shown_ = -1;  // s
};

void train_command(const TrainArguments& arguments, const CLI::App& app) { Session(arguments, app).train(); }

}  // namespace

Command make_train(const CommandEntry& entry) {
    Command command = new_command(
        entry,
        "Examples:\n"
        "  bitline train lenet5 --data idx:train-images.gz,train-labels.gz --test idx:t10k-images.gz,t10k-labels.gz "
        "\\\n"
        "      --epochs 10 -o lenet5.h5\n"
        "  bitline train lenet5 --data idx:train-images.gz,train-labels.gz --test idx:t10k-images.gz,t10k-labels.gz "
        "\\\n"
        "      --method ste --weight-bits 4 --input-bits 4 -o lenet5_4bit.h5 --onnx lenet5_4bit.onnx\n"
        "  bitline train resnet20 --data cifar10:b1.xz,b2.xz,b3.xz,b4.xz,b5.xz --test cifar10:test.xz \\\n"
        "      --augment crop=4,flip --optimizer sgd --rate 0.1 --weight-decay 1e-4 --batch 128 --epochs 160 \\\n"
        "      --schedule step=80/120 --json epochs.jsonl -o resnet20.h5\n"
        "  bitline train float.onnx --data train.h5 --test test.h5 --method ste --epochs 5 --rate 1e-4 -o int4.h5\n"
        "  bitline train float.onnx --data train.h5 --test test.h5 --method lsq --weight-bits 4 --input-bits 4 \\\n"
        "      --hardware device --device pcm-hermes-two --set compensation.drift_gain=layer --age 0,1d,30d -o "
        "chip.h5\n"
        "Ctrl-C keeps the state and prints the command that goes on. The same seed gives the same bits for any\n"
        "number of threads, interrupted or not.\n");
    auto arguments = std::make_shared<TrainArguments>();
    add_arguments(command, *arguments);
    command.run = [arguments, app = command.app.get()] { train_command(*arguments, *app); };
    return command;
}

}  // namespace bitline::cli
