#include "engine/network.hpp"

#include <algorithm>
#include <stdexcept>

#include "engine/pieces.hpp"

namespace convlet {
Network::Network(const Shape& input, std::vector<OpSpec> ops)
    : program_(input, std::move(ops)),
      all_wanted_(program_),
      wanted_(program_, std::vector<bool>(static_cast<std::size_t>(program_.op_count), true)),
      parameters_(program_.parameter_size),
      packed_(program_),
      inference_{.rows_at_once = rows_at_once(program_, Mode::kInference)},
      training_{.rows_at_once = rows_at_once(program_, Mode::kTraining)} {}

void Network::set_parameter(std::size_t index, const float* value) {
  const Parameter& parameter = program_.parameters[index];
  std::copy_n(value, elements(parameter.shape), parameters_.data() + parameter.at);
  packed_.invalidate();
}

void Network::configure_training(const std::string& loss, const Attributes& loss_attributes,
                                 const std::string& optimizer,
                                 const Attributes& optimizer_attributes,
                                 const std::vector<MetricSpec>& metrics) {
  std::unique_ptr<Objective> new_objective;
  if (!loss.empty()) {
    new_objective =
        std::make_unique<Objective>(loss, loss_attributes, metrics, output_shape(), program_.tail);
  }
  auto new_updater = std::make_shared<Updater>(program_, optimizer, optimizer_attributes);
  Totals new_totals{.metrics = std::vector<double>(metrics.size())};
  // Nothing fails from here on.
  objective_ = std::move(new_objective);
  updater_ = std::move(new_updater);
  totals = std::move(new_totals);
  abandon_pending();
  iterations = 0;
  inference_.dismiss();
  training_.dismiss();
}

void Network::set_trainable(const std::vector<bool>& trainable) {
  wanted_ = Wanted(program_, trainable);
  abandon_pending();
}

std::vector<std::size_t> Network::trained_parameters() const {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < program_.parameters.size(); ++i) {
    if (program_.parameters[i].trained) indices.push_back(i);
  }
  return indices;
}

Network::Crew& Network::crew(Mode mode, int shares, std::int64_t rows,
                             std::vector<Meeting> meetings, bool whole) {
  Crew& crew = mode == Mode::kTraining ? training_ : inference_;
  const std::int64_t share_rows = rows;
  if (!whole) rows = piece_of(rows, crew.rows_at_once);
  if (mode == Mode::kTraining && crew.share_rows < share_rows) {
    crew.dismiss();
    crew.share_rows = share_rows;
  }
  if (crew.layout == nullptr || crew.layout->rows < rows || crew.meetings != meetings) {
    auto layout = std::make_unique<Layout>(program_, mode, rows, meetings);
    crew.dismiss();
    crew.meetings = std::move(meetings);
    crew.layout = std::move(layout);
  }
  while (crew.workers.size() < static_cast<std::size_t>(shares)) {
    const int share = static_cast<int>(crew.workers.size());
    if (crew.memories.size() == crew.workers.size())
      crew.memories.push_back(std::make_unique<WorkingMemory>(*crew.layout));
    auto worker = std::make_unique<Worker>(program_, *crew.layout, mode, share, crew.share_rows,
                                           *crew.memories.back());
    worker->totals.metrics.resize(totals.metrics.size());
    crew.workers.push_back(std::move(worker));
  }
  crew.shared.clear();
  for (const auto& worker : crew.workers) crew.shared.push_back(worker->shared());
  return crew;
}

std::vector<Meeting> Network::training_meetings(int shares, std::int64_t rows,
                                                const Wanted& wanted) const {
  std::vector<Meeting> meetings = meetings_of(program_, wanted, false);
  // Working in parts takes a worker's rows at once, which should be worth no cache.
  const bool whole = !meetings.empty() || rows <= training_.rows_at_once;
  return shares > 1 && whole ? meetings_of(program_, wanted, true) : meetings;
}

// Below this much work waking a second thread costs more than it saves.
bool Network::is_serial(std::int64_t rows, double passes) const {
  return passes * program_.flops_per_row * static_cast<double>(rows) < serial_flops();
}

int Network::shares_for(std::int64_t rows, double passes) const {
  if (is_serial(rows, passes)) return 1;
  const int shares = fixed_shares() > 0 ? fixed_shares() : num_threads();
  return static_cast<int>(std::clamp<std::int64_t>(rows, 1, shares));
}

std::size_t Network::judged_steps() const {
  return program_.steps.size() - (objective_->tail() != Tail::kNone ? 1 : 0);
}

std::vector<double> Network::means() const {
  if (objective_ != nullptr) return objective_->means(totals);
  return {totals.loss / std::max(totals.rows, 1.0)};
}

}  // namespace convlet
