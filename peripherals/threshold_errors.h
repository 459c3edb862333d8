#pragma once

// Where the thresholds of a real converter lie: what the spread of its capacitors, steps, resistors and comparators
// makes of them. In codes (LSB); code k of N = 2^bits begins at k - 1/2 + error(k), 1 <= k < N, counted from the lowest
// code.
//
// sar    Binary-weighted capacitors of 2^j units and a closing unit; n units have the capacitance n + sqrt(n) sigma z.
//        V(k) = N * (capacitors of the bits of k) / (all capacitors). The search from the top bit sets a bit where the
//        input is at least V of the bits so far and this one, so code k or a higher one results where the input is at
//        least the least V(m), m >= k: codes whose V exceeds that of a higher one are missing. Variance of V(k):
//        sigma^2 k (N - k) / N to first order, at most sigma^2 N / 4 in the middle; of the step to the middle:
//        sigma^2 (N - 1). (D. Zhang, A. Bhide, A. Alvandpour, IEEE JSSC 47(7), 2012, for the step; M. Pelgrom,
//        "Analog-to-Digital Conversion", chapter on matching, for the ends held.)
// ramp   One step after another, each 1 + sigma z; a converter counts until the ramp first exceeds its input. Variance
//        of threshold k: sigma^2 k, a random walk.
// flash  A ladder of N resistors, each 1 + sigma z, between two references: variance sigma^2 k (N - k) / N to first
//        order (Pelgrom, as above). A comparator's own offset at each tap; the code is the number of comparators that
//        are crossed, in whatever order they lie.
// any    inl_sigma moves every threshold on its own; dnl_sigma changes every step on its own, the first and the last
//        place held: variance sigma^2 k (N - k) / N. A missing code has no step; the next one gets both.

#include "peripherals/adc.h"

namespace bitline {

/// Spread of the comparators at the thresholds of a converter, LSB: 0 where it has none but those of a sign readout.
double threshold_comparator_sigma(const AdcOptions& options);

/// Whether any of these errors is on.
bool has_threshold_errors(const AdcOptions& options);

/// Whether converters decide at thresholds of their own instead of equal steps: those are looked up (W1-thresholds of
/// bench_mvm), while offset and gain cost nothing.
bool decides_at_thresholds(const AdcOptions& options);

/// (hi - lo), codes: those of the range, or every code's lower half step.
std::vector<double> nominal_thresholds(const AdcRange& range);

/// Those of one converter, with errors; ascending, equal where a code is missing.
std::vector<double> draw_thresholds(const AdcOptions& options, const AdcRange& range, const ConverterStreams& streams,
                                    uint32_t converter, uint32_t array);

/// What code a binary search finds for an input of `x` LSB, given what each bit's capacitors are (least first) and all
/// of them together: the definition that the thresholds above are tested against.
int search_code(const std::vector<double>& capacitors, double all, double x);

/// Capacitors of one converter, least first, and the closing one last.
std::vector<double> draw_capacitors(double sigma, int bits, const ConverterStreams& streams, uint32_t converter,
                                    uint32_t array);

}  // namespace bitline
