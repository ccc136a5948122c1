#include "engine/updater.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include "engine/pieces.hpp"
#include "kernels/update_steps.hpp"

namespace convlet {
namespace {

// The gradient of a block stays in the second-level cache until the optimizer has used it. Whole
// panels of the transposed weights are packed from it.
std::int64_t late_block(const Op& op) {
  constexpr std::int64_t kFloats = 49152;
  constexpr std::int64_t kUnits = 32;
  if (op.late_unit() == 0) return 0;
  return std::max(kUnits, kFloats / op.late_unit() / kUnits * kUnits);
}

float option(const Attributes& attributes, const char* name, double otherwise) {
  return static_cast<float>(attributes.number_or(name, otherwise));
}

std::int64_t count(const Attributes& attributes, const char* name, std::int64_t otherwise) {
  return attributes.has(name) ? attributes.positive(name) : otherwise;
}

NormConstraint norm_constraint(const Shape& shape, const Attributes& attributes) {
  std::vector<bool> reduced(shape.size(), false);
  for (const std::int64_t axis : attributes.integers("axes")) {
    if (axis < 0 || axis >= static_cast<std::int64_t>(shape.size()))
      throw ValueError("A constraint's axis must be one of the parameter's, which has shape " +
                       tuple_string(shape) + ". Received: axis=" + std::to_string(axis));
    reduced[static_cast<std::size_t>(axis)] = true;
  }
  return {shape, reduced, option(attributes, "low", 0.0), option(attributes, "high", 0.0),
          option(attributes, "rate", 1.0)};
}

OrthogonalPenalty orthogonal_penalty(const Shape& shape, const Attributes& attributes) {
  if (shape.size() != 2)
    throw ValueError("An orthogonal penalty needs a matrix. Received: shape=" +
                     tuple_string(shape));
  const float factor = option(attributes, "orthogonal", 0.0);
  if (attributes.boolean("rows")) return {factor, shape[0], shape[1], shape[1], 1};
  return {factor, shape[1], shape[0], 1, shape[1]};
}

}  // namespace

Updater::Updater(const Program& program, const std::string& optimizer, const Attributes& attributes)
    : program_(program),
      optimizer_(make_optimizer(optimizer, attributes)),
      clipnorm_(option(attributes, "clipnorm", 0.0)),
      clipvalue_(option(attributes, "clipvalue", 0.0)),
      global_clipnorm_(option(attributes, "global_clipnorm", 0.0)),
      weight_decay_(option(attributes, "weight_decay", 0.0)),
      loss_scale_(option(attributes, "loss_scale_factor", 1.0)),
      ema_overwrite_frequency_(count(attributes, "ema_overwrite_frequency", 0)),
      accumulated_steps_(count(attributes, "gradient_accumulation_steps", 1)),
      rules_(program.parameters.size()),
      scratch_at_(program.parameters.size(), 0) {
  std::vector<std::string> names;
  if (attributes.has("ema_momentum")) {
    ema_momentum_ = option(attributes, "ema_momentum", 0.0);
    names.emplace_back("average");
  }
  if (accumulated_steps_ > 1) names.emplace_back("gradient_accumulator");
  own_slots_ = names.size();
  names.insert(names.end(), optimizer_->slots().begin(), optimizer_->slots().end());
  for (std::string& name : names)
    slots_.push_back({std::move(name), Buffer(program.parameter_size)});
}

Updater::Rule Updater::rule_of(const Parameter& parameter, const Attributes& attributes) const {
  Rule rule;
  rule.l1 = option(attributes, "l1", 0.0);
  rule.l2 = option(attributes, "l2", 0.0);
  if (attributes.has("orthogonal"))
    rule.orthogonal = orthogonal_penalty(parameter.shape, attributes);
  if (attributes.has("weight_decay")) rule.decays = attributes.boolean("weight_decay");
  const std::string constraint = attributes.text_or("constraint", "");
  if (constraint == "norm") {
    rule.norm = norm_constraint(parameter.shape, attributes);
  } else if (constraint == "non_negative") {
    rule.non_negative = true;
  } else if (!constraint.empty()) {
    throw ValueError("Unknown constraint: '" + constraint + "'");
  }
  return rule;
}

void Updater::set_rules(const std::vector<Attributes>& rules) {
  if (rules.size() != rules_.size())
    throw ValueError("There must be one rule for each of the " + std::to_string(rules_.size()) +
                     " parameters. Received: " + std::to_string(rules.size()));
  std::vector<Rule> new_rules;
  std::vector<std::int64_t> scratch_at;
  std::int64_t scratch = 0;
  for (std::size_t p = 0; p < rules.size(); ++p) {
    new_rules.push_back(rule_of(program_.parameters[p], rules[p]));
    const Rule& rule = new_rules.back();
    scratch_at.push_back(scratch);
    scratch += parameter_stride(std::max(rule.orthogonal ? rule.orthogonal->scratch() : 0,
                                         rule.norm ? rule.norm->scratch() : 0));
  }
  scratch_ = Buffer(scratch);
  scratch_at_ = std::move(scratch_at);
  rules_ = std::move(new_rules);
  constrained_ = std::any_of(rules_.begin(), rules_.end(),
                             [](const Rule& rule) { return rule.constrained(); });
}

std::size_t Updater::parameter_at(std::int64_t at) const {
  const auto next =
      std::upper_bound(program_.parameters.begin(), program_.parameters.end(), at,
                       [](std::int64_t place, const Parameter& p) { return place < p.at; });
  return static_cast<std::size_t>(next - program_.parameters.begin()) - 1;
}

void Updater::plan(int shares, const Wanted& wanted) {
  if (shares_ == shares && frozen_ == wanted.frozen) return;
  shares_ = 0;  // there is no plan where memory runs out on the way
  frozen_ = wanted.frozen;
  norms_.assign(rules_.size() * static_cast<std::size_t>(shares), 0.0);
  penalties_.assign(static_cast<std::size_t>(shares), 0.0);
  portions_.assign(static_cast<std::size_t>(shares), {});
  moves_.assign(rules_.size(), false);
  std::int64_t late = 0;
  for (std::size_t s = 0; s < program_.steps.size(); ++s) {
    if (frozen_[s]) continue;
    const convlet::Step& step = program_.steps[s];
    late = std::max(late, std::min(late_block(*step.op), step.op->units()) * step.op->late_unit());
    for (int share = 0; share < shares; ++share) {
      const std::int64_t begin = share_begin(step.op->units(), share, shares);
      const std::int64_t end = share_begin(step.op->units(), share + 1, shares);
      if (begin == end) continue;
      std::vector<Piece> pieces;
      for (const Span& span : step.op->unit_spans(begin, end)) {
        const std::int64_t at = step.parameters_at + span.begin;
        pieces.push_back({parameter_at(at), at, span.size});
        moves_[pieces.back().parameter] = true;
      }
      portions_[static_cast<std::size_t>(share)].push_back(
          {s, begin, end, step.op->late_unit() > 0, std::move(pieces)});
    }
  }
  late_.clear();
  for (int share = 0; share < shares; ++share) {
    late_.push_back({Buffer(late), {}});
    late_.back().kept.reserve(static_cast<std::size_t>(shares));
  }
  shares_ = shares;
}

std::size_t Updater::step_of(std::size_t parameter) const {
  const std::int64_t at = program_.parameters[parameter].at;
  std::size_t s = 0;
  while (s + 1 < program_.steps.size() && program_.steps[s + 1].parameters_at <= at) ++s;
  return s;
}

template <class F>
void Updater::for_blocks(const Piece& piece, F&& f) {
  for_pieces(piece.begin, piece.begin + piece.size, kBlock, f);
}

template <class F>
void Updater::for_late_blocks(const Portion& portion, F&& f) const {
  const convlet::Step& step = program_.steps[portion.step];
  const std::int64_t unit = step.op->late_unit();
  for_pieces(portion.begin, portion.end, late_block(*step.op),
             [&](std::int64_t begin, std::int64_t units) {
               f(begin, begin + units, step.parameters_at + begin * unit, units * unit);
             });
}

template <class F>
void Updater::for_own_parameters(int share, F&& f) const {
  for (std::size_t p = static_cast<std::size_t>(share); p < rules_.size();
       p += static_cast<std::size_t>(shares_)) {
    if (moves_[p]) f(p);
  }
}

void Updater::Workers::list_kept(std::size_t s, std::int64_t rows, std::vector<Kept>& list) const {
  const auto shares = static_cast<std::int64_t>(gradients.size());
  const std::size_t steps = kept.size() / gradients.size();
  list.clear();
  for (std::int64_t share = 0; share < shares; ++share) {
    list.push_back({kept[static_cast<std::size_t>(share) * steps + s],
                    share_begin(rows, share + 1, shares) - share_begin(rows, share, shares)});
  }
}

void Updater::prepare(int share, const Step& step) {
  if (share == 0 && moves(step)) optimizer_->begin_step(step.learning_rate, moves_before(step));
  for_own_parameters(share, [&](std::size_t p) {
    if (!rules_[p].orthogonal) return;
    const std::int64_t at = program_.parameters[p].at;
    float* g = step.workers.gradients[static_cast<std::size_t>(share)] + at;
    penalties_[static_cast<std::size_t>(share)] +=
        static_cast<double>(step.rows) * (*rules_[p].orthogonal)(step.parameters + at, loss_scale_,
                                                                 g,
                                                                 scratch_.data() + scratch_at_[p]);
  });
}

void Updater::run(const Member& member, const Step& step) {
  if (clips_norms() && moves(step)) {
    member.for_shares(shares_, [&](int share) { collect_with_norms(share, step); });
    member.barrier();
  }
  member.for_shares(shares_, [&](int share) {
    for (const Portion& portion : portions_of(share)) update(share, portion, step);
  });
  if (!constrained_) return;
  member.barrier();
  member.for_shares(shares_, [&](int share) { constrain(share, step); });
  member.barrier();
  member.for_shares(shares_, [&](int share) {
    for (const Portion& portion : portions_of(share)) {
      pack(portion, portion.begin, portion.end, step);
    }
  });
}

void Updater::gather(const Member& member, const Step& step) {
  float* total = step.workers.gradients[0];
  member.for_shares(shares_, [&](int share) {
    for (const Portion& portion : portions_of(share)) {
      if (portion.is_late) {
        for_late_blocks(
            portion, [&](std::int64_t begin, std::int64_t end, std::int64_t at, std::int64_t size) {
              compute_late(share, portion, begin, end, at, size, total + at, step);
            });
      }
      for (std::size_t i = portion.is_late ? 1 : 0; i < portion.pieces.size(); ++i) {
        for_blocks(portion.pieces[i], [&](std::int64_t at, std::int64_t size) {
          add_shares(1, at, size, total + at, step);
        });
      }
    }
  });
}

// A portion's new weights, packed unless constraints are still to come. With norms to clip the
// gradients have been collected before.
void Updater::update(int share, const Portion& portion, const Step& step) {
  const bool collected = clips_norms() && moves(step);
  const bool is_late = portion.is_late && !step.is_gathered;
  float* total = step.workers.gradients[0];
  if (is_late) {
    const Piece& piece = portion.pieces.front();
    float* late = late_[static_cast<std::size_t>(share)].gradient.data();
    for_late_blocks(portion,
                    [&](std::int64_t begin, std::int64_t end, std::int64_t at, std::int64_t size) {
                      float* g = collected ? total + at : late;
                      if (!collected) {
                        compute_late(share, portion, begin, end, at, size, g, step);
                        collect(share, piece, at, size, g, step);
                      }
                      apply(piece, at, size, g, step);
                      if (collected) std::fill_n(g, size, 0.0F);
                      if (!constrained_) pack(portion, begin, end, step);
                    });
  }
  for (std::size_t i = is_late ? 1 : 0; i < portion.pieces.size(); ++i) {
    const Piece& piece = portion.pieces[i];
    for_blocks(piece, [&](std::int64_t at, std::int64_t size) {
      float sums[kBlock];
      float* g = total + at;
      if (shares_clear(step)) {
        sum_shares(at, size, sums, step);
        g = sums;
      }
      if (!collected) collect(share, piece, at, size, g, step);
      apply(piece, at, size, g, step);
      if (g != sums) std::fill_n(g, size, 0.0F);
    });
  }
  if (!constrained_ && !is_late) pack(portion, portion.begin, portion.end, step);
}

void Updater::clear(int share, const Step& step) const {
  if (!shares_clear(step)) return;
  float* g = step.workers.gradients[static_cast<std::size_t>(share)];
  for (const auto& portions : portions_) {
    for (const Portion& portion : portions) {
      for (std::size_t i = portion.is_late ? 1 : 0; i < portion.pieces.size(); ++i)
        std::fill_n(g + portion.pieces[i].begin, portion.pieces[i].size, 0.0F);
    }
  }
}

// to = the gradients of all shares, added up in their order.
void Updater::sum_shares(std::int64_t at, std::int64_t size, float* to, const Step& step) const {
  const std::vector<float*>& gradients = step.workers.gradients;
  std::transform(gradients[0] + at, gradients[0] + at + size, gradients[1] + at, to,
                 std::plus<float>());
  for (std::size_t share = 2; share < gradients.size(); ++share) {
    const float* part = gradients[share] + at;
    for (std::int64_t i = 0; i < size; ++i) to[i] += part[i];
  }
}

// The late gradient of units [begin, end) into g.
void Updater::compute_late(int share, const Portion& portion, std::int64_t begin, std::int64_t end,
                           std::int64_t at, std::int64_t size, float* g, const Step& step) {
  const Piece& piece = portion.pieces.front();
  std::vector<Kept>& kept = late_[static_cast<std::size_t>(share)].kept;
  step.workers.list_kept(portion.step, step.rows, kept);
  // What an orthogonal penalty has left in the place of the gradient.
  const bool has_more = rules_[piece.parameter].orthogonal.has_value();
  const bool in_place = g == step.workers.gradients[0] + at;
  if (has_more && in_place) add_shares(1, at, size, g, step);
  float* products =
      has_more && in_place ? late_[static_cast<std::size_t>(share)].gradient.data() : g;
  const auto next = arrays_at(at, step);
  program_.steps[portion.step].op->late_gradient(begin, end, kept, {next.data(), slots_.size() + 1},
                                                 products);
  if (products != g) {
    for (std::int64_t i = 0; i < size; ++i) g[i] += products[i];
  } else if (has_more) {
    add_shares(0, at, size, g, step);
  }
}

// Adds the gradients of shares from `first` on to g and clears them.
void Updater::add_shares(std::int64_t first, std::int64_t at, std::int64_t size, float* g,
                         const Step& step) const {
  for (auto share = static_cast<std::size_t>(first); share < step.workers.gradients.size();
       ++share) {
    float* part = step.workers.gradients[share] + at;
    for (std::int64_t i = 0; i < size; ++i) g[i] += part[i];
    std::fill_n(part, size, 0.0F);
  }
}

// Turns the loss's gradient into what the optimizer is to see, but for clipping.
void Updater::collect(int share, const Piece& piece, std::int64_t at, std::int64_t size, float* g,
                      const Step& step) {
  const Rule& rule = rules_[piece.parameter];
  if (loss_scale_ != 1.0F) scale(size, 1.0F / loss_scale_, g);
  if (rule.l1 != 0.0F || rule.l2 != 0.0F) {
    penalties_[static_cast<std::size_t>(share)] +=
        static_cast<double>(step.rows) *
        penalize(size, rule.l1, rule.l2, 1.0F, step.parameters + at, g);
  }
  if (accumulated_steps_ == 1) return;
  float* sum = slots_[own_slots_ - 1].values.data() + at;
  if (moves(step)) {
    finish_accumulation(size, static_cast<float>(accumulated_steps_), sum, g);
  } else {
    accumulate(size, sum, g);
  }
}

void Updater::collect_with_norms(int share, const Step& step) {
  const auto own = [&](std::size_t p) -> double& {
    return norms_[p * static_cast<std::size_t>(shares_) + static_cast<std::size_t>(share)];
  };
  for (std::size_t p = 0; p < rules_.size(); ++p) own(p) = 0.0;
  float* total = step.workers.gradients[0];
  for (const Portion& portion : portions_of(share)) {
    const bool is_late = portion.is_late && !step.is_gathered;
    if (is_late) {
      for_late_blocks(
          portion, [&](std::int64_t begin, std::int64_t end, std::int64_t at, std::int64_t size) {
            compute_late(share, portion, begin, end, at, size, total + at, step);
            collect(share, portion.pieces.front(), at, size, total + at, step);
            own(portion.pieces.front().parameter) += sum_of_squares(size, total + at);
          });
    }
    for (std::size_t i = is_late ? 1 : 0; i < portion.pieces.size(); ++i) {
      const Piece& piece = portion.pieces[i];
      for_blocks(piece, [&](std::int64_t at, std::int64_t size) {
        add_shares(1, at, size, total + at, step);
        collect(share, piece, at, size, total + at, step);
        own(piece.parameter) += sum_of_squares(size, total + at);
      });
    }
  }
}

double Updater::norm_squared(std::size_t parameter) const {
  double sum = 0.0;
  for (std::size_t share = 0; share < static_cast<std::size_t>(shares_); ++share)
    sum += norms_[parameter * static_cast<std::size_t>(shares_) + share];
  return sum;
}

// NaN for a gradient with a NaN, and for an infinite global norm.
float Updater::clip_factor(std::size_t parameter) const {
  if (clipnorm_ > 0.0F) {
    const float norm = static_cast<float>(std::sqrt(norm_squared(parameter)));
    return norm <= clipnorm_ ? 1.0F : clipnorm_ / norm;
  }
  double sum = 0.0;
  for (std::size_t p = 0; p < rules_.size(); ++p) sum += norm_squared(p);
  const float norm = static_cast<float>(std::sqrt(sum));
  const float factor = norm <= global_clipnorm_ ? 1.0F : global_clipnorm_ / norm;
  return factor + (norm - norm);
}

void Updater::clip_gradient(const Piece& piece, std::int64_t size, float* g) const {
  if (clips_norms()) {
    scale(size, clip_factor(piece.parameter), g);
  } else if (clipvalue_ > 0.0F) {
    clip(size, clipvalue_, g);
  }
}

void Updater::apply(const Piece& piece, std::int64_t at, std::int64_t size, float* g,
                    const Step& step) {
  float* w = step.parameters + at;
  if (moves(step)) {
    clip_gradient(piece, size, g);
    if (weight_decay_ != 0.0F && rules_[piece.parameter].decays)
      decay(size, weight_decay_, step.learning_rate, w);
    std::array<float*, kMostSlots> slots{};
    for (std::size_t i = own_slots_; i < slots_.size(); ++i)
      slots[i - own_slots_] = slots_[i].values.data() + at;
    optimizer_->update(size, g, w, slots.data());
  }
  if (ema_momentum_) average(at, size, step);
}

// What the optimizer reads and writes at a place of the flat array: the parameters, the slots.
std::array<const float*, 1 + Updater::kMostSlots> Updater::arrays_at(std::int64_t at,
                                                                     const Step& step) const {
  std::array<const float*, 1 + kMostSlots> arrays{step.parameters + at};
  for (std::size_t i = 0; i < slots_.size(); ++i) arrays[i + 1] = slots_[i].values.data() + at;
  return arrays;
}

// The first step's average is the weights themselves.
void Updater::average(std::int64_t at, std::int64_t size, const Step& step) {
  float* w = step.parameters + at;
  float* mean = slots_.front().values.data() + at;
  const std::int64_t before = moves_before(step);
  moving_average(size, before == 0 ? 0.0F : *ema_momentum_, w, mean);
  if (ema_overwrite_frequency_ != 0 && (before + 1) % ema_overwrite_frequency_ == 0)
    std::copy_n(mean, size, w);
}

void Updater::constrain(int share, const Step& step) {
  for_own_parameters(share, [&](std::size_t p) {
    const Parameter& parameter = program_.parameters[p];
    float* w = step.parameters + parameter.at;
    if (rules_[p].non_negative) make_non_negative(elements(parameter.shape), w);
    if (rules_[p].norm) rules_[p].norm->apply(w, scratch_.data() + scratch_at_[p]);
  });
}

void Updater::pack(const Portion& portion, std::int64_t begin, std::int64_t end,
                   const Step& step) const {
  float* packed = step.packed[portion.step];
  if (packed == nullptr) return;
  const convlet::Step& of = program_.steps[portion.step];
  of.op->pack(begin, end, step.parameters + of.parameters_at, step.packed_for_data[portion.step],
              packed);
}

double Updater::penalty(const float* parameters, const Wanted& wanted) {
  double sum = 0.0;
  for (std::size_t p = 0; p < rules_.size(); ++p) {
    if (wanted.frozen[step_of(p)]) continue;
    const Rule& rule = rules_[p];
    const Parameter& parameter = program_.parameters[p];
    const float* w = parameters + parameter.at;
    if (rule.l1 != 0.0F || rule.l2 != 0.0F)
      sum += convlet::penalty(elements(parameter.shape), rule.l1, rule.l2, w);
    if (rule.orthogonal)
      sum += (*rule.orthogonal)(w, 0.0F, nullptr, scratch_.data() + scratch_at_[p]);
  }
  return sum;
}

double Updater::take_penalty() {
  double sum = 0.0;
  for (double& part : penalties_) {
    sum += part;
    part = 0.0;
  }
  return sum;
}

}  // namespace convlet
