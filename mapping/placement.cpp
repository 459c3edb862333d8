#include "mapping/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"

namespace bitline {

namespace {

constexpr int64_t kMostAssignedRows = 1024;  // the exact assignment takes up to their cube operations
constexpr double kWorks = std::numeric_limits<double>::quiet_NaN();

/// Word lines that rows of one part may use, in logical rows: with xnor a row is two lines.
struct PartSize {
    int64_t capacity = 0, active = 0;
};

PartSize part_size(const ArrayOptions& array, int64_t lines_per_row) {
    const int64_t capacity = array.rows / lines_per_row;
    return {capacity, array.active_rows == 0 ? capacity : std::max<int64_t>(1, array.active_rows / lines_per_row)};
}

struct Job {
    const Architecture& architecture;
    const MappedLayer& layer;
    const ArrayPlan& plan;
    const CellLaw& law;

    size_t per_column() const { return static_cast<size_t>(plan.cells_per_column); }
    size_t lines_per_row() const { return static_cast<size_t>(drive_rows_per_row(layer)); }
    size_t lines() const { return static_cast<size_t>(plan.rows) * lines_per_row(); }
    bool moves_rows() const { return architecture.fault_remap == FaultRemap::rows; }
    bool adapts_pairs() const { return architecture.fault_remap == FaultRemap::pairs; }
};

/// The other bit line of each bit line's differential pair; itself where there is none.
std::vector<size_t> partners(const ArrayPlan& plan) {
    const auto per_column = static_cast<size_t>(plan.cells_per_column);
    std::vector<size_t> other(plan.columns.size() * per_column);
    std::iota(other.begin(), other.end(), size_t{0});
    for (size_t i = 0; i + 1 < other.size(); ++i) {
        const Column &a = plan.columns[i / per_column], &b = plan.columns[(i + 1) / per_column];
        const bool analog = per_column == 2 && i % 2 == 0;
        const bool digital = per_column == 1 && !a.negative && b.negative && a.output == b.output && a.shift == b.shift;
        if (!analog && !digital) continue;
        other[i] = i + 1;
        other[i + 1] = i;
    }
    return other;
}

/// Finds a place for every cell of one array.
struct Placer {
    const Job& job;
    const FaultGrid& faults;
    std::vector<uint16_t> wanted;    // (lines x used)
    std::vector<size_t> partner;     // (used)
    std::vector<double> importance;  // (used) significance of the bit line's digit
    std::vector<uint32_t> word_line, bit_line;

    size_t used() const { return faults.used; }
    double stuck(uint32_t line, uint32_t column) const { return faults.stuck[line * faults.width + column]; }
    double target(size_t r, size_t b) const { return job.law.target[wanted[r * used() + b]]; }

    /// What the partner of faulty cell (r, b) should conduct to make up for it.
    double compensation(size_t r, size_t b, double g) const { return target(r, partner[b]) + (g - target(r, b)); }

    /// What the fault of cell (r, b) changes where its bit line lies at `column`, in grid steps times significance.
    double error(size_t r, size_t b, uint32_t column) const {
        const double g = stuck(word_line[r], column);
        if (std::isnan(g)) return 0;
        double change = std::abs(g - target(r, b));
        if (job.adapts_pairs() && partner[b] != b && std::isnan(stuck(word_line[r], bit_line[partner[b]]))) {
            const double sought = compensation(r, b, g);
            change = std::min(change, std::abs(job.law.target[nearest_level(job.law.target, sought)] - sought));
        }
        return change * importance[b];
    }
    double error_of_line(size_t b, uint32_t column) const {
        double sum = 0;
        for (size_t r = 0; r < word_line.size(); ++r) sum += error(r, b, column);
        return sum;
    }

    void move_rows();
    void move_part(size_t first, size_t rows, size_t places);
    void take_spares();
    void adapt_pairs(std::vector<uint16_t>& levels) const;
};

void Placer::move_rows() {
    const auto lines = static_cast<int64_t>(job.lines_per_row());
    const PartSize size = part_size(job.architecture.array, lines);
    for (int64_t row = 0; row < job.plan.rows; row += size.active)
        move_part(static_cast<size_t>(row), static_cast<size_t>(std::min(size.active, job.plan.rows - row)),
                  static_cast<size_t>(std::min(size.active, size.capacity - row)));
}

/// The rows first .. first + rows - 1 take the places first .. first + places - 1.
void Placer::move_part(size_t first, size_t rows, size_t places) {
    const size_t lines = job.lines_per_row();
    std::vector<double> cost(rows * places, 0.0);
    bool faulty = false;
    for (size_t p = 0; p < places * lines; ++p) {
        const auto line = static_cast<uint32_t>(first * lines + p);
        for (size_t b = 0; b < used(); ++b) {
            const double g = stuck(line, static_cast<uint32_t>(b));
            if (std::isnan(g)) continue;
            faulty = true;
            for (size_t r = 0; r < rows; ++r)
                cost[r * places + p / lines] +=
                    std::abs(g - target((first + r) * lines + p % lines, b)) * importance[b];
        }
    }
    if (!faulty) return;
    const std::vector<uint32_t> place = assign_rows(cost, rows, places);
    for (size_t i = 0; i < rows * lines; ++i)
        word_line[first * lines + i] = static_cast<uint32_t>((first + place[i / lines]) * lines + i % lines);
}

void Placer::take_spares() {
    const size_t spares = faults.width - used();
    std::vector<double> errors(used());
    for (size_t b = 0; b < used(); ++b) errors[b] = error_of_line(b, bit_line[b]);
    std::vector<size_t> worst(used());
    std::iota(worst.begin(), worst.end(), size_t{0});
    std::stable_sort(worst.begin(), worst.end(), [&](size_t a, size_t b) { return errors[a] > errors[b]; });
    std::vector<uint8_t> taken(spares, 0);
    for (size_t i = 0; i < std::min(spares, used()); ++i) {
        const size_t b = worst[i];
        double least = errors[b];
        size_t best = spares;
        for (size_t s = 0; s < spares && least > 0; ++s) {
            if (taken[s]) continue;
            const double left = error_of_line(b, static_cast<uint32_t>(used() + s));
            if (left >= least) continue;
            least = left;
            best = s;
        }
        if (best == spares) continue;
        taken[best] = 1;
        bit_line[b] = static_cast<uint32_t>(used() + best);
    }
}

/// `levels` (lines x used) of what works beside a fault.
void Placer::adapt_pairs(std::vector<uint16_t>& levels) const {
    for (size_t r = 0; r < word_line.size(); ++r) {
        for (size_t b = 0; b < used(); ++b) {
            const double g = stuck(word_line[r], bit_line[b]);
            if (std::isnan(g) || partner[b] == b || !std::isnan(stuck(word_line[r], bit_line[partner[b]]))) continue;
            levels[r * used() + partner[b]] = nearest_level(job.law.target, compensation(r, b, g));
        }
    }
}

/// Digits that faults move by half a level or more; a differential pair is one.
int64_t count_faulty_digits(const Placer& placer, const std::vector<uint16_t>& levels,
                            const std::vector<uint32_t>& word_line, const std::vector<uint32_t>& bit_line) {
    const std::vector<double>& targets = placer.job.law.target;
    const double half = 0.5 * placer.job.law.grid.level_step;
    const auto change = [&](size_t r, size_t b) {
        const double g = placer.stuck(word_line[r], bit_line[b]);
        return (std::isnan(g) ? targets[levels[r * placer.used() + b]] : g) - placer.target(r, b);
    };
    int64_t count = 0;
    for (size_t r = 0; r < word_line.size(); ++r) {
        for (size_t b = 0; b < placer.used(); ++b) {
            const size_t other = placer.partner[b];
            if (other < b) continue;
            count += std::abs(change(r, b) - (other == b ? 0 : change(r, other))) >= half;
        }
    }
    return count;
}

void count_faults(const Placer& placer, ProgrammingReport& report) {
    const FaultGrid& faults = placer.faults;
    for (const uint32_t line : placer.word_line) {
        report.open_word_lines += faults.open_word_line[line];
        for (const uint32_t column : placer.bit_line) {
            const CellState state = faults.states[line * faults.width + column];
            report.stuck_low += state == CellState::low;
            report.stuck_high += state == CellState::high;
            report.stuck_other += state == CellState::conductance;
            report.open += state == CellState::open;
        }
    }
    for (const uint32_t column : placer.bit_line) report.open_bit_lines += faults.open_bit_line[column];
}

void count_up(std::vector<uint32_t>& numbers, size_t n) {
    numbers.resize(n);
    std::iota(numbers.begin(), numbers.end(), 0U);
}

Placer make_placer(const Job& job, const FaultGrid& faults) {
    Placer placer{job, faults, {}, partners(job.plan), {}, {}, {}};
    target_levels(job.layer, job.plan, placer.wanted);
    for (size_t b = 0; b < faults.used; ++b)
        placer.importance.push_back(std::abs(static_cast<double>(job.plan.columns[b / job.per_column()].weight)));
    count_up(placer.word_line, job.lines());
    count_up(placer.bit_line, faults.used);
    return placer;
}

/// Levels and faults in the order in which cells are written.
void write_down(const Placer& placer, const std::vector<uint16_t>& levels, Placement& placement) {
    placement.lines = placer.word_line.size();
    placement.used = placer.used();
    placement.width =
        std::max<size_t>(placement.used, *std::max_element(placer.bit_line.begin(), placer.bit_line.end()) + size_t{1});
    placement.word_line = placer.word_line;
    placement.bit_line = placer.bit_line;
    placement.levels.assign(placement.lines * placement.width, 0);
    placement.stuck.assign(placement.levels.size(), kWorks);
    for (size_t r = 0; r < placement.lines; ++r) {
        for (size_t c = 0; c < placement.width; ++c)
            placement.stuck[r * placement.width + c] = placer.stuck(placement.word_line[r], static_cast<uint32_t>(c));
        for (size_t b = 0; b < placement.used; ++b)
            placement.levels[r * placement.width + placement.bit_line[b]] = levels[r * placement.used + b];
    }
}

void place_beside_faults(const Job& job, const CellStreams& streams, Placement& placement, ProgrammingReport& report) {
    if (!has_faults(job.architecture)) return place_cells(job.layer, job.plan, placement);
    const size_t lines = job.moves_rows() ? static_cast<size_t>(job.architecture.array.rows) : job.lines();
    const FaultGrid faults = find_faults(job.architecture, job.plan, job.law.grid, streams, lines);
    if (faults.none()) return place_cells(job.layer, job.plan, placement);
    Placer placer = make_placer(job, faults);
    const int64_t unrepaired = count_faulty_digits(placer, placer.wanted, placer.word_line, placer.bit_line);
    if (job.moves_rows()) placer.move_rows();
    placer.take_spares();
    std::vector<uint16_t> levels = placer.wanted;
    if (job.adapts_pairs()) placer.adapt_pairs(levels);
    report.unrepaired_digits += unrepaired;
    report.faulty_digits += count_faulty_digits(placer, levels, placer.word_line, placer.bit_line);
    count_faults(placer, report);
    write_down(placer, levels, placement);
}

}  // namespace

uint16_t nearest_level(const std::vector<double>& targets, double g) {
    const auto above = std::lower_bound(targets.begin(), targets.end(), g);
    if (above == targets.begin()) return 0;
    const auto i = static_cast<uint16_t>(above - targets.begin());
    if (above == targets.end()) return static_cast<uint16_t>(i - 1);
    return g - *(above - 1) <= *above - g ? static_cast<uint16_t>(i - 1) : i;
}

std::vector<uint32_t> assign_rows(std::span<const double> cost, size_t n, size_t m) {
    // Rows enter one after the other along the cheapest alternating path; prices of rows and places keep every reduced
    // cost at 0 or more. Row 0 and place 0 stand for none.
    constexpr double kFar = std::numeric_limits<double>::infinity();
    std::vector<double> row_price(n + 1, 0.0), place_price(m + 1, 0.0);
    std::vector<size_t> row_of(m + 1, 0), came_from(m + 1, 0);
    for (size_t row = 1; row <= n; ++row) {
        std::vector<double> distance(m + 1, kFar);
        std::vector<uint8_t> reached(m + 1, 0);
        row_of[0] = row;
        size_t place = 0;
        while (row_of[place] != 0) {
            reached[place] = 1;
            const size_t from = row_of[place];
            double step = kFar;
            size_t next = 0;
            for (size_t j = 1; j <= m; ++j) {
                if (reached[j]) continue;
                const double reduced = cost[(from - 1) * m + j - 1] - row_price[from] - place_price[j];
                if (reduced < distance[j]) {
                    distance[j] = reduced;
                    came_from[j] = place;
                }
                if (distance[j] < step) {
                    step = distance[j];
                    next = j;
                }
            }
            for (size_t j = 0; j <= m; ++j) {
                if (reached[j]) {
                    row_price[row_of[j]] += step;
                    place_price[j] -= step;
                } else {
                    distance[j] -= step;
                }
            }
            place = next;
        }
        for (; place != 0; place = came_from[place]) row_of[place] = row_of[came_from[place]];
    }
    std::vector<uint32_t> places(n);
    for (size_t j = 1; j <= m; ++j)
        if (row_of[j] != 0) places[row_of[j] - 1] = static_cast<uint32_t>(j - 1);
    return places;
}

void place_cells(const MappedLayer& layer, const ArrayPlan& plan, Placement& placement) {
    placement.lines = static_cast<size_t>(plan.rows * drive_rows_per_row(layer));
    placement.used = placement.width = plan.columns.size() * static_cast<size_t>(plan.cells_per_column);
    count_up(placement.word_line, placement.lines);
    count_up(placement.bit_line, placement.used);
    target_levels(layer, plan, placement.levels);
    placement.stuck.clear();
    placement.measured.clear();
}

void place_cells(const Architecture& architecture, const MappedLayer& layer, const ArrayPlan& plan, const CellLaw& law,
                 const CellStreams& streams, Placement& placement, ProgrammingReport& report) {
    place_beside_faults({architecture, layer, plan, law}, streams, placement, report);
    add_measured(architecture, plan, law.grid, placement);
}

void require_assignable_rows(const Mapping& mapping) {
    const Architecture& architecture = mapping.architecture;
    for (const MappedLayer& layer : mapping.layers) {
        const int64_t active = part_size(architecture.array, drive_rows_per_row(layer)).active;
        if (architecture.fault_remap != FaultRemap::rows || active <= kMostAssignedRows) continue;
        throw ConfigError(
            fmt::format("mapping.fault_remap = rows assigns at most {} rows that are driven together, and "
                        "here they are {}; lower array.active_rows or array.rows",
                        kMostAssignedRows, active));
    }
}

}  // namespace bitline
