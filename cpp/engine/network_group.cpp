// A network's part in a group of processes: its rows of a batch, and sums over all of them.
#include <algorithm>
#include <numeric>

#include "engine/network.hpp"

namespace convlet {

Network::OwnPart Network::own_part(const Labels& labels, std::int64_t first, std::int64_t rows,
                                   std::span<double> counts) {
  if (group_ == nullptr) return {first, rows, 0, objective_->batch(labels, first, rows), rows};
  if (!group_->is_sharded()) {
    const std::int64_t before = share_begin(rows, group_->rank(), group_->size());
    const std::int64_t beyond = share_begin(rows, group_->rank() + 1, group_->size());
    return {first + before, beyond - before, before, objective_->batch(labels, first, rows), rows};
  }
  const auto processes = static_cast<std::size_t>(group_->size());
  const auto rank = static_cast<std::size_t>(group_->rank());
  BatchSums sums = objective_->batch_sums(labels, first, rows);
  std::fill(counts.begin(), counts.end(), 0.0);
  counts[rank] = sums.rows;
  counts[processes] = sums.weight;
  counts[processes + 1] = sums.not_binary;
  group_failed_ = group_failed_ || !group_->sum(counts);
  const auto before = std::accumulate(counts.begin(), counts.begin() + group_->rank(), 0.0);
  sums = {.rows = std::accumulate(counts.begin(), counts.begin() + group_->size(), 0.0),
          .weight = counts[processes],
          .not_binary = counts[processes + 1]};
  return {first, rows, static_cast<std::int64_t>(before), objective_->batch(labels, sums),
          static_cast<std::int64_t>(sums.rows)};
}

void Network::join_sums(const Member& member, const Run& run, const Pass& pass,
                        const Phase& phase) {
  const auto step = phase.forward_sums ? phase.forward_sums : phase.backward_sums;
  if (!step) return;
  Worker& worker = *run.crew->workers.front();
  if (!worker.joins_group(*step)) return;
  if (member.is_first()) worker.join_sums(pass, *step, phase.forward_sums.has_value());
  member.barrier();
}

bool Network::gather(const Member& member, const Run& run, const Pass& pass,
                     const Updater::Step& step) {
  member.barrier();
  updater_->gather(member, step);
  member.barrier();
  if (member.is_first()) {
    float* gradient = step.workers.gradients[0];
    update_state(run);
    weigh_state(run, static_cast<float>(pass.batch_rows) / static_cast<float>(pass.group_rows),
                gradient);
    const auto size = static_cast<std::size_t>(program_.parameter_size);
    group_failed_ = group_failed_ || !pass.group->sum(std::span(gradient, size));
    take_state(run, gradient);
  }
  member.barrier();
  return !group_failed_;
}

template <class F>
void Network::for_state(const Run& run, F&& f) const {
  for (const Meeting& meeting : run.crew->meetings) {
    const Step& step = program_.steps[meeting.step];
    const std::int64_t end = step.parameters_at + parameter_size(*step.op);
    for (const Parameter& p : program_.parameters) {
      if (!p.trained && p.at >= step.parameters_at && p.at < end) f(p.at, elements(p.shape));
    }
  }
}

void Network::weigh_state(const Run& run, float weight, float* gradient) const {
  for_state(run, [&](std::int64_t at, std::int64_t size) {
    for (std::int64_t i = at; i < at + size; ++i) gradient[i] = weight * parameters_.data()[i];
  });
}

void Network::take_state(const Run& run, float* gradient) {
  for_state(run, [&](std::int64_t at, std::int64_t size) {
    std::copy_n(gradient + at, size, parameters_.data() + at);
    std::fill_n(gradient + at, size, 0.0F);
  });
}

}  // namespace convlet
