#pragma once

// What a training tells: on the terminal, line by line as JSON, at the end.

#include <optional>
#include <string>
#include <vector>

#include "bindings/cli/inputs.h"
#include "mapping/simulate.h"
#include "training/run.h"

namespace bitline::cli {

struct TrainReport {
    std::string preprocess_origin;              // "--preprocess", "the model", ...
    std::optional<training::EpochResult> last;  // none where a resumed run had nothing left to do
    std::vector<std::string> written;
};

/// "epoch 3/20, loss 0.1234, 97.5 %"
Progress progress_of(const training::TrainProgress& progress);

/// One line on an epoch.
std::string epoch_text(const training::EpochResult& result);
Json epoch_json(const training::EpochResult& result);

/// One line on the network that came out, behind those on the epochs.
Json trained_json(const Network& network, const training::Model& model, const training::TrainOptions& options);

/// The result for people.
std::string train_text(const TrainReport& report, const Network& network, const training::Model& model,
                       const training::TrainOptions& options, const Dataset& training, const Dataset& test);

/// The table of all links, before (where measured) and after, for people; and for machines.
std::string chain_text(const training::HardwarePlan& plan, const std::optional<training::Chain>& before,
                       const training::Chain& after);
Json to_json(const training::HardwarePlan& plan, const std::optional<training::Chain>& before,
             const training::Chain& after);

/// JSON lines, one for each epoch, in a file that is whole at any time, or on standard output.
class EpochJournal {
 public:
    explicit EpochJournal(std::optional<std::string> path) : path_(std::move(path)) {}
    /// A resumed run: the lines of epochs up to this one that the file holds already stay.
    void keep(int64_t epochs);
    void add(const Json& line);

 private:
    std::optional<std::string> path_;
    std::string text_;
};

}  // namespace bitline::cli
