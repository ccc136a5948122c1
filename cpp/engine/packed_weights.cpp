#include "engine/packed_weights.hpp"

#include <algorithm>

namespace convlet {

std::int64_t PackedWeights::packed_size(std::size_t s) const {
  return (program_.steps[s].op->storage(for_training_).packed + 15) / 16 * 16;
}

void PackedWeights::allocate(bool training) {
  for_training_ = training;
  std::int64_t size = 0;
  for (std::size_t s = 0; s < program_.steps.size(); ++s) size += packed_size(s);
  values_ = Buffer(size);
  steps_.clear();
  float* at = values_.data();
  for (std::size_t s = 0; s < program_.steps.size(); at += packed_size(s), ++s)
    steps_.push_back(at);
  updated_ = steps_;
  is_stale_ = true;
}

void PackedWeights::pack(std::size_t s, bool data_gradient, const float* parameters,
                         float* packed) const {
  const Step& step = program_.steps[s];
  step.op->pack(0, step.op->units(), parameters + step.parameters_at, data_gradient, packed);
}

void PackedWeights::prepare(Mode mode, const Wanted& wanted, const float* parameters) {
  const bool training = mode == Mode::kTraining || for_training_;
  if (values_.data() == nullptr || training != for_training_) allocate(training);
  if (is_stale_) for_data_.assign(program_.steps.size(), false);
  for (std::size_t s = 0; s < program_.steps.size(); ++s) {
    const auto& inputs = program_.steps[s].inputs;
    const bool data_gradient =
        mode == Mode::kTraining &&
        std::any_of(inputs.begin(), inputs.end(), [&](std::size_t t) { return wanted.tensor[t]; });
    if (is_stale_ || (data_gradient && !for_data_[s])) {
      pack(s, data_gradient, parameters, steps_[s]);
      for_data_[s] = data_gradient;
    }
    // What training does not read it does not keep up to date.
    if (mode == Mode::kTraining) for_data_[s] = data_gradient;
  }
  is_stale_ = false;
}

std::vector<std::size_t> PackedWeights::small_steps(std::int64_t rows, const Wanted& wanted) const {
  constexpr std::int64_t kSmall = std::int64_t{1} << 18;  // floats: a second-level cache
  // Operations of a thread's share of a batch for each float that it packs: less than a tenth of
  // its time goes into packing.
  constexpr double kOperations = 64;
  std::vector<std::size_t> small;
  std::int64_t size = 0;
  for (std::size_t s = 0; s < program_.steps.size(); ++s) {
    const bool changes = !wanted.frozen[s] && program_.steps[s].op->late_unit() == 0;
    if (!changes || packed_size(s) > kSmall) continue;
    small.push_back(s);
    size += packed_size(s);
  }
  const double operations = program_.flops_per_row * static_cast<double>(rows);
  return operations < kOperations * static_cast<double>(size) ? std::vector<std::size_t>() : small;
}

void PackedWeights::divide(int threads, std::int64_t rows, const Wanted& wanted) {
  small_.clear();
  updated_ = steps_;
  own_.resize(static_cast<std::size_t>(threads));
  const std::vector<std::size_t> small =
      threads > 1 && rows > 0 ? small_steps(rows, wanted) : std::vector<std::size_t>();
  std::int64_t size = 0;
  for (const std::size_t s : small) size += packed_size(s);
  for (Own& own : own_) {
    own.steps = steps_;
    if (&own == &own_.front()) continue;
    if (own.values.size() < size) own.values = Buffer(size);
    float* at = own.values.data();
    for (const std::size_t s : small) {
      own.steps[s] = at;
      at += packed_size(s);
    }
  }
  for (const std::size_t s : small) updated_[s] = nullptr;
  small_ = small;
}

void PackedWeights::pack_own(int thread, const float* parameters) {
  for (const std::size_t s : small_) {
    pack(s, for_data_[s], parameters, own_[static_cast<std::size_t>(thread)].steps[s]);
  }
}

}  // namespace convlet
