// What follows a batch's gradients: their sum, the optimizer, packing.
#include <algorithm>

#include "engine/network.hpp"
#include "engine/pieces.hpp"

namespace convlet {

// Every share gets an equal part of each step's units.
void Network::plan_portions(int shares) {
  if (portions_.size() == static_cast<std::size_t>(shares)) return;
  portions_.assign(static_cast<std::size_t>(shares), {});
  for (std::size_t s = 0; s < program_.steps.size(); ++s) {
    if (wanted_.frozen[s]) continue;
    const Step& step = program_.steps[s];
    for (int share = 0; share < shares; ++share) {
      const std::int64_t begin = share_begin(step.op->units(), share, shares);
      const std::int64_t end = share_begin(step.op->units(), share + 1, shares);
      if (begin == end) continue;
      std::vector<Span> spans = step.op->unit_spans(begin, end);
      for (Span& span : spans) span.begin += step.parameters_at;
      portions_[static_cast<std::size_t>(share)].push_back({s, begin, end, std::move(spans)});
    }
  }
}

void Network::update_share(const Run& run, int share, std::int64_t rows, std::int64_t iteration) {
  for (const Portion& portion : portions_[static_cast<std::size_t>(share)]) {
    std::span<const Span> spans = portion.spans;
    if (program_.steps[portion.step].op->late_unit() > 0) {
      update_late(run, portion, share, rows, iteration);
      spans = spans.subspan(1);
    }
    for (const Span& span : spans) update_span(run, span, iteration);
    if (spans.size() == portion.spans.size()) {
      pack(portion.step, portion.begin, portion.end, packed_for_data_[portion.step]);
    }
  }
}

// Sums the workers' gradients in a fixed order into the first one's, lets the optimizer use the sum
// and clears them all.
void Network::update_span(const Run& run, const Span& span, std::int64_t iteration) {
  // Floats: a block of every array involved stays in the first-level cache.
  constexpr std::int64_t kBlock = 2048;
  const auto& workers = run.crew->workers;
  for_pieces(span.begin, span.begin + span.size, kBlock, [&](std::int64_t at, std::int64_t size) {
    float* total = workers[0]->parameter_gradient() + at;
    for (int other = 1; other < run.shares; ++other) {
      float* part = workers[static_cast<std::size_t>(other)]->parameter_gradient() + at;
      for (std::int64_t i = 0; i < size; ++i) total[i] += part[i];
      std::fill_n(part, size, 0.0F);
    }
    optimizer_->update(at, size, learning_rate, iteration, total, parameters_.data() + at);
    std::fill_n(total, size, 0.0F);
  });
}

// Computes a gradient from what all workers kept, lets the optimizer use it and packs, block by
// block.
void Network::update_late(const Run& run, const Portion& portion, int share, std::int64_t rows,
                          std::int64_t iteration) {
  const Step& step = program_.steps[portion.step];
  const std::int64_t unit = step.op->late_unit();
  float* gradient = run.crew->workers[static_cast<std::size_t>(share)]->late_gradient();
  std::vector<Kept>& kept = run.crew->kept[static_cast<std::size_t>(share)];
  list_kept(run, portion.step, rows, kept);
  for_pieces(portion.begin, portion.end, late_block(*step.op),
             [&](std::int64_t begin, std::int64_t units) {
               step.op->late_gradient(begin, begin + units, kept, gradient);
               const std::int64_t at = step.parameters_at + begin * unit;
               optimizer_->update(at, units * unit, learning_rate, iteration, gradient,
                                  parameters_.data() + at);
               pack(portion.step, begin, begin + units, packed_for_data_[portion.step]);
             });
}

// What the workers kept of step s in a batch of `rows` rows.
void Network::list_kept(const Run& run, std::size_t s, std::int64_t rows,
                        std::vector<Kept>& kept) const {
  kept.clear();
  for (int share = 0; share < run.shares; ++share) {
    kept.push_back(
        {run.crew->workers[static_cast<std::size_t>(share)]->kept(s),
         share_begin(rows, share + 1, run.shares) - share_begin(rows, share, run.shares)});
  }
}

// Lets ops bring the parameters that are not trained up to date.
void Network::update_state(const Run& run) {
  for (const std::size_t s : run.crew->meetings) {
    const Step& step = program_.steps[s];
    step.op->update_state(run.crew->workers[0]->shared(s), parameters_.data() + step.parameters_at);
  }
}

}  // namespace convlet
