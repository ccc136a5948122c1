#include "ops/gradient_phases.hpp"

#include <algorithm>

namespace convlet {
namespace {

// One axis of a window: k cells, d steps apart, that move by s steps; `before` zeros precede the
// input.
struct Axis {
  std::int64_t in, k, s, d, before;
  std::int64_t dz_before;  // zeros before dz

  // Each phase begins with an input of its own: first, first + s, ...
  std::int64_t phases() const { return std::min(s, in); }
  // By phase, the cells that meet its inputs; the last one first.
  std::vector<std::vector<std::int64_t>> cells() const {
    std::vector<std::vector<std::int64_t>> cells(static_cast<std::size_t>(phases()));
    for (std::int64_t cell = k; cell-- > 0;) {
      const std::int64_t first = ((cell * d - before) % s + s) % s;
      if (first < phases()) cells[static_cast<std::size_t>(first)].push_back(cell);
    }
    return cells;
  }
  // Where in the padded dz an input meets a cell.
  std::int64_t at(std::int64_t input, std::int64_t cell) const {
    return (input + before - cell * d) / s + dz_before;
  }
};

// Zeros before dz: the windows that begin before the first one and meet an input.
std::int64_t zeros_before(std::int64_t k, std::int64_t s, std::int64_t d) {
  return (extent(k, d) + s - 1) / s - 1;
}

// The phase that begins with input (first_y, first_x), which meets the cells of these rows and
// columns.
GradientPhase make_phase(const Axis& y, const Axis& x, std::int64_t first_y, std::int64_t first_x,
                         const std::vector<std::int64_t>& rows,
                         const std::vector<std::int64_t>& columns, const Window2D& w,
                         const Pad2D& dz, std::int64_t groups, bool by_tap) {
  const bool has_taps = !rows.empty() && !columns.empty();
  GradientPhase phase;
  for (std::int64_t iy = first_y; iy < y.in; iy += y.s) {
    for (std::int64_t ix = first_x; ix < x.in; ix += x.s) {
      const std::int64_t at =
          has_taps ? y.at(iy, rows.front()) * dz.pw + x.at(ix, columns.front()) : 0;
      phase.pixel.push_back(static_cast<std::int32_t>(at * dz.c));
      phase.out.push_back(static_cast<std::int32_t>((iy * w.iw + ix) * w.ic));
    }
  }
  const auto count = static_cast<std::int64_t>(columns.size());
  // From one cell of a phase to the next, in dz. A row of taps is one run where their channels lie
  // side by side.
  const auto step = [](const Axis& axis, const std::vector<std::int64_t>& cells, std::size_t i) {
    return (cells.front() - cells[i]) * axis.d / axis.s;
  };
  const bool joined = !by_tap && groups == 1 && (count < 2 || step(x, columns, 1) == 1);
  phase.run_length = static_cast<std::int32_t>((joined ? count : 1) * dz.c / groups);
  for (std::size_t j = 0; j < rows.size(); ++j) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      phase.tap.push_back(rows[j] * w.kw + columns[i]);
      if (joined && i > 0) continue;
      const std::int64_t run = step(y, rows, j) * dz.pw + step(x, columns, i);
      phase.run.push_back(static_cast<std::int32_t>(run * dz.c));
    }
  }
  return phase;
}

}  // namespace

Pad2D pad_of_gradient(const Window2D& w, std::int64_t oc) {
  const std::int64_t top = zeros_before(w.kh, w.sh, w.dh);
  const std::int64_t left = zeros_before(w.kw, w.sw, w.dw);
  // The last window position that an input pixel asks for.
  const std::int64_t rows = std::max(w.oh, (w.ih - 1 + w.top) / w.sh + 1);
  const std::int64_t columns = std::max(w.ow, (w.iw - 1 + w.left) / w.sw + 1);
  return {w.oh, w.ow, oc, top + rows, left + columns, top, left};
}

std::vector<GradientPhase> gradient_phases(const Window2D& w, const Pad2D& dz, std::int64_t groups,
                                           bool by_tap) {
  const Axis y{w.ih, w.kh, w.sh, w.dh, w.top, dz.top};
  const Axis x{w.iw, w.kw, w.sw, w.dw, w.left, dz.left};
  const auto rows = y.cells();
  const auto columns = x.cells();
  std::vector<GradientPhase> phases;
  for (std::int64_t iy = 0; iy < y.phases(); ++iy) {
    for (std::int64_t ix = 0; ix < x.phases(); ++ix) {
      phases.push_back(make_phase(y, x, iy, ix, rows[static_cast<std::size_t>(iy)],
                                  columns[static_cast<std::size_t>(ix)], w, dz, groups, by_tap));
    }
  }
  return phases;
}

}  // namespace convlet
