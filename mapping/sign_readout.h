#pragma once

// ADC-free readout of layers that give one of two levels: no sum is converted, a comparator at each column decides
// (H. Kim, Y. Jung, L.-S. Kim, "ADC-free ReRAM-based in-situ accelerator for energy-efficient binary neural networks",
// IEEE Trans. Comput. 73, 353-365, doi:10.1109/TC.2022.3224800). Where a layer's rows are cut into parts, each part
// decides for itself, and its decision is a vote (Y. Kim, H. Kim, J.-J. Kim, "Neural network-hardware co-design for
// scalable RRAM-based BNN accelerators", arXiv 1811.02187, 2018, who retrain the network for it).
//
// The layer sums acc = sum x w + bias over all R rows; a rising channel crosses its threshold T where acc >= T. With T'
// half an integer below T, part i of R_i rows votes for crossing where its own
//   sum over its rows of x w  >=  (T' - bias) R_i / R,
// a share of what is left of T' as large as the part. What is known beforehand of a part's sum (inputs x = scale *
// driven - center, pairs of rows of xnor) goes into the comparator's threshold, which then stands midway between the
// two level sums on either side. The output crosses T where at least half of the votes say so: where an even number of
// votes cancels it has crossed. Falling channels are the mirror image (acc <= T, T' above T). One part alone decides
// exactly as the integer sum does.

#include <string>
#include <vector>

#include "mapping/mapping.h"

namespace bitline {

/// Why the layer cannot be read by comparators alone, in words that follow "read by converters: "; empty where it can.
std::string sign_readout_obstacle(const MatVec& op, const Quantizer& inputs, const MappedLayer& layer);

/// The thresholds and votes of a layer without such an obstacle. To be called once its arrays are planned.
SignReadout plan_sign_readout(const MatVec& op, const Quantizer& inputs, const MappedLayer& layer);

/// Where the comparators of one array stand: (columns) levels of a column's sum.
std::vector<double> comparator_levels(const MappedLayer& layer, const ArrayPlan& array);

/// The sum that stands for a decision: the last one that crosses the threshold of a channel, or the one beside it that
/// does not. `votes` is the sum of +1 for every part above its share and -1 for every other.
double sum_of_votes(const ThresholdOutput& output, int64_t channel, int64_t votes);

/// Whether a sum crosses the threshold.
bool crosses(const ThresholdOutput& output, int64_t channel, double sum);

}  // namespace bitline
