#include "engine/optimizer.hpp"

#include <array>
#include <cmath>

#include "kernels/elementwise.hpp"
#include "kernels/update_rules.hpp"

namespace convlet {
namespace {

// One step, as a rule is made from it.
struct Time {
  float learning_rate;
  float number;    // of the step, from 1
  float* scalars;  // the optimizer's
};

// An optimizer that applies a rule of update_rules.hpp, made anew for every step.
template <std::size_t Slots, class MakeRule>
class RuleOptimizer final : public Optimizer {
 public:
  RuleOptimizer(const std::array<const char*, Slots>& slots, MakeRule make, std::size_t scalars)
      : Optimizer({slots.begin(), slots.end()}, scalars), make_(std::move(make)) {}

  void begin_step(float learning_rate, std::int64_t iteration) override {
    rule_ = make_(Time{learning_rate, static_cast<float>(iteration + 1), scalars().data()});
  }

  void update(std::int64_t size, const float* g, float* w, float* const* slots) const override {
    apply(size, g, w, slots, std::make_index_sequence<Slots>{});
  }

 private:
  template <std::size_t... I>
  void apply(std::int64_t size, const float* g, float* w, [[maybe_unused]] float* const* slots,
             std::index_sequence<I...>) const {
    elementwise(size, rule_, g, w, slots[I]...);
  }

  MakeRule make_;
  std::invoke_result_t<MakeRule, Time> rule_{};
};

template <std::size_t Slots, class MakeRule>
std::unique_ptr<Optimizer> with_rule(const std::array<const char*, Slots>& slots, MakeRule make,
                                     std::size_t scalars = 0) {
  return std::make_unique<RuleOptimizer<Slots, MakeRule>>(slots, std::move(make), scalars);
}

// The names of an optimizer's slots.
template <class... Name>
std::array<const char*, sizeof...(Name)> slots(Name... names) {
  return {names...};
}

float f(double value) { return static_cast<float>(value); }

std::unique_ptr<Optimizer> make_sgd(const Attributes& a) {
  const float momentum = f(a.number("momentum"));
  if (momentum == 0.0F)
    return with_rule(slots(), [](const Time& t) { return Sgd{t.learning_rate}; });
  if (a.boolean("nesterov")) {
    return with_rule(slots("momentum"),
                     [=](const Time& t) { return SgdMomentum<true>{t.learning_rate, momentum}; });
  }
  return with_rule(slots("momentum"),
                   [=](const Time& t) { return SgdMomentum<false>{t.learning_rate, momentum}; });
}

template <bool Momentum, bool Centered, std::size_t Slots>
std::unique_ptr<Optimizer> rmsprop_variant(const Attributes& a,
                                           const std::array<const char*, Slots>& slots) {
  const double rho = a.number("rho");
  const Rmsprop<Momentum, Centered> constants{0.0F, f(rho), f(1.0 - rho), f(a.number("momentum")),
                                              f(a.number("epsilon"))};
  return with_rule(slots, [constants](const Time& t) {
    auto rule = constants;
    rule.learning_rate = t.learning_rate;
    return rule;
  });
}

std::unique_ptr<Optimizer> make_rmsprop(const Attributes& a) {
  const bool momentum = a.number("momentum") > 0.0;
  if (a.boolean("centered")) {
    if (momentum)
      return rmsprop_variant<true, true>(a, slots("velocity", "momentum", "average_gradient"));
    return rmsprop_variant<false, true>(a, slots("velocity", "average_gradient"));
  }
  if (momentum) return rmsprop_variant<true, false>(a, slots("velocity", "momentum"));
  return rmsprop_variant<false, false>(a, slots("velocity"));
}

std::unique_ptr<Optimizer> make_adam(const Attributes& a) {
  const double beta_1 = a.number("beta_1");
  const double beta_2 = a.number("beta_2");
  const float epsilon = f(a.number("epsilon"));
  const auto rule = [=](const Time& t) {
    const float unbiased_m = 1.0F - std::pow(f(beta_1), t.number);
    const float unbiased_v = 1.0F - std::pow(f(beta_2), t.number);
    return Adam{t.learning_rate * std::sqrt(unbiased_v) / unbiased_m, f(1.0 - beta_1),
                f(1.0 - beta_2), epsilon};
  };
  if (a.boolean("amsgrad")) return with_rule(slots("momentum", "velocity", "velocity_hat"), rule);
  return with_rule(slots("momentum", "velocity"), rule);
}

// The scalar is the product of the momentum coefficients so far, u_1 ... u_t.
std::unique_ptr<Optimizer> make_nadam(const Attributes& a) {
  const float beta_1 = f(a.number("beta_1"));
  const float beta_2 = f(a.number("beta_2"));
  const float epsilon = f(a.number("epsilon"));
  const auto coefficient = [=](float number) {
    return beta_1 * (1.0F - 0.5F * std::pow(0.96F, number));
  };
  const auto rule = [=](const Time& t) {
    const float u = coefficient(t.number);
    const float next = coefficient(t.number + 1.0F);
    const float product = t.scalars[0] *= u;
    return Nadam{t.learning_rate,
                 1.0F - beta_1,
                 1.0F - beta_2,
                 epsilon,
                 next / (1.0F - product * next),
                 (1.0F - u) / (1.0F - product),
                 1.0F - std::pow(beta_2, t.number)};
  };
  return with_rule(slots("momentum", "velocity"), rule, 1);
}

std::unique_ptr<Optimizer> make_adagrad(const Attributes& a) {
  const float epsilon = f(a.number("epsilon"));
  return with_rule(slots("accumulator"),
                   [=](const Time& t) { return Adagrad{t.learning_rate, epsilon}; });
}

std::unique_ptr<Optimizer> make_adadelta(const Attributes& a) {
  const double rho = a.number("rho");
  const float epsilon = f(a.number("epsilon"));
  return with_rule(slots("accumulated_grad", "accumulated_delta_var"), [=](const Time& t) {
    return Adadelta{t.learning_rate, f(rho), f(1.0 - rho), epsilon};
  });
}

std::unique_ptr<Optimizer> make_adamax(const Attributes& a) {
  const double beta_1 = a.number("beta_1");
  const float beta_2 = f(a.number("beta_2"));
  const float epsilon = f(a.number("epsilon"));
  return with_rule(slots("momentum", "norm"), [=](const Time& t) {
    return Adamax{t.learning_rate, f(1.0 - beta_1), beta_2, epsilon,
                  1.0F - std::pow(f(beta_1), t.number)};
  });
}

std::unique_ptr<Optimizer> make_lion(const Attributes& a) {
  const float beta_1 = f(a.number("beta_1"));
  const float beta_2 = f(a.number("beta_2"));
  return with_rule(slots("momentum"), [=](const Time& t) {
    return Lion{t.learning_rate, beta_1, 1.0F - beta_1, beta_2, 1.0F - beta_2};
  });
}

std::unique_ptr<Optimizer> make_ftrl(const Attributes& a) {
  const float power = -f(a.number("learning_rate_power"));
  const float l1 = f(a.number("l1_regularization_strength"));
  const float l2 = f(a.number("l2_regularization_strength"));
  const float shrinkage = f(2.0 * a.number("l2_shrinkage_regularization_strength"));
  const float beta = f(a.number("beta"));
  return with_rule(slots("accumulator", "linear"), [=](const Time& t) {
    const float strength = l2 + beta / (2.0F * t.learning_rate);
    return Ftrl{t.learning_rate, power, l1, 2.0F * strength, shrinkage};
  });
}

struct Entry {
  const char* name;
  std::unique_ptr<Optimizer> (*make)(const Attributes&);
};

constexpr Entry kOptimizers[] = {
    {"adadelta", make_adadelta}, {"adagrad", make_adagrad}, {"adam", make_adam},
    {"adamax", make_adamax},     {"ftrl", make_ftrl},       {"lion", make_lion},
    {"nadam", make_nadam},       {"rmsprop", make_rmsprop}, {"sgd", make_sgd},
};

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const std::string& name, const Attributes& attributes) {
  for (const Entry& entry : kOptimizers) {
    if (name == entry.name) return entry.make(attributes);
  }
  throw ValueError("Unknown optimizer: '" + name + "'");
}

}  // namespace convlet
