// Cooperative tensors: a tile in the registers of the threads of an operation's scope.
#pragma once

#include "tensor.h"
#include "tile_layout.h"

namespace metal_device {

/// What fresh slots hold where poison is on: a NaN with an unusual payload, told from any other by its bits. 8-bit integers
/// have no value to spare.
template <class T>
struct Poison {
  static constexpr bool exists = sizeof(T) > 1;
  using Bits =
      metal::conditional_t<sizeof(T) == 4, uint32_t, metal::conditional_t<sizeof(T) == 2, uint16_t, uint8_t>>;
  static constexpr Bits bits = Bits(sizeof(T) == 4                ? 0x7fbadbadu
                                    : metal::is_same_v<T, bfloat> ? 0x7fadu
                                                                  : 0x7dadu);
  METAL_UNCHECKED static void put(T& value) { __builtin_memcpy(&value, &bits, sizeof value); }
  METAL_UNCHECKED static bool is_in(const T& value) {
    Bits found;
    __builtin_memcpy(&found, &value, sizeof found);
    return exists && found == bits;
  }
};

}  // namespace metal_device

namespace metal {

/// Rank 2: extents (columns, rows). Rank 1: the rows (columns) of a reduction. Rank 4: a convolution's, whose tile has a row for
/// each place (w, h, n).
template <class ElementType, class Extents, class Layout>
class cooperative_tensor {
 public:
  using element_type = ElementType;
  using value_type = ElementType;
  using extents_type = Extents;
  using layout = Layout;
  using index_type = typename Extents::index_type;
  static constexpr size_t kRank = Extents::rank();

  METAL_UNCHECKED cooperative_tensor() {
    const bool poison = metal_device::runtime->poisons();
    for (ElementType& slot : slots_) {
      slot = ElementType(0);
      if (poison && metal_device::Poison<ElementType>::exists) metal_device::Poison<ElementType>::put(slot);
    }
  }

  static constexpr size_t get_rank() { return kRank; }
  METAL_UNCHECKED static uint16_t get_capacity() {
    return uint16_t(Layout::capacity(metal_device::runtime->layout()));
  }
  static constexpr index_type get_extent(size_t r) { return index_type(Extents::static_extent(r)); }

  METAL_UNCHECKED __attribute__((noinline)) ElementType& operator[](int i) {
    check_index(i, METAL_CALLER("operator[]"));
    return slots_[i];
  }
  METAL_UNCHECKED __attribute__((noinline)) const ElementType& operator[](int i) const {
    check_index(i, METAL_CALLER("operator[]"));
    return slots_[i];
  }
  METAL_UNCHECKED ElementType get(int i, METAL_HERE) const {
    check_index(i, METAL_SITE("get"));
    return slots_[i];
  }
  METAL_UNCHECKED void set(int i, ElementType value, METAL_HERE) {
    check_index(i, METAL_SITE("set"));
    slots_[i] = value;
  }

  METAL_UNCHECKED bool is_valid_element(int i) const { return place(i).valid; }
  METAL_UNCHECKED bool get_mask(int i) const { return is_valid_element(i); }
  /// {column, row} from the tile's corner; of a reduction {row} or {column}.
  METAL_UNCHECKED array<index_type, kRank> get_multidimensional_index(int i) const {
    const metal_device::Place at = place(i);
    array<index_type, kRank> index;
    index_in(at, index.elements);
    return index;
  }

  class iterator {
   public:
    using Whole = cooperative_tensor;
    METAL_UNCHECKED iterator(cooperative_tensor* whole, int slot) : whole_(whole), slot_(slot) {}
    METAL_UNCHECKED ElementType& operator*() const { return whole_->slots_[slot_]; }
    METAL_UNCHECKED ElementType* operator->() const { return &whole_->slots_[slot_]; }
    METAL_UNCHECKED ElementType& operator[](int i) const { return whole_->slots_[slot_ + i]; }
    METAL_UNCHECKED iterator& operator++() { return ++slot_, *this; }
    METAL_UNCHECKED iterator operator++(int) { return {whole_, slot_++}; }
    METAL_UNCHECKED iterator& operator--() { return --slot_, *this; }
    METAL_UNCHECKED iterator& operator+=(int n) { return slot_ += n, *this; }
    METAL_UNCHECKED friend iterator operator+(iterator a, int n) { return a += n; }
    METAL_UNCHECKED friend int operator-(iterator a, iterator b) { return a.slot_ - b.slot_; }
    METAL_UNCHECKED friend bool operator==(iterator a, iterator b) { return a.slot_ == b.slot_; }
    METAL_UNCHECKED friend bool operator!=(iterator a, iterator b) { return a.slot_ != b.slot_; }
    METAL_UNCHECKED friend bool operator<(iterator a, iterator b) { return a.slot_ < b.slot_; }
    METAL_UNCHECKED bool is_valid_element() const { return whole_->is_valid_element(slot_); }
    METAL_UNCHECKED auto get_multidimensional_index() const {
      return whole_->get_multidimensional_index(slot_);
    }
    METAL_UNCHECKED int slot() const { return slot_; }

   private:
    cooperative_tensor* whole_;
    int slot_;
  };
  METAL_UNCHECKED iterator begin() { return {this, 0}; }
  METAL_UNCHECKED iterator end() { return {this, get_capacity()}; }
  METAL_UNCHECKED iterator get_iterator(int i) { return {this, i}; }
  METAL_UNCHECKED iterator get_iterator(ElementType* slot) { return {this, int(slot - slots_)}; }

  /// Of a reduction: the entry of the row (column) that an element of the tile belongs to.
  template <class Iterator>
  METAL_UNCHECKED iterator map_iterator(Iterator element) {
    static_assert(kRank == 1, "map_iterator belongs to the result of a reduction");
    return {this, Iterator::Whole::layout::template entry<Layout::kAxis>(metal_device::runtime->layout(),
                                                                         element.slot())};
  }

  /// All slots from a tensor with the same element type, of rank 2 or repeated from rank 1; outside reads 0.
  template <class Source>
  METAL_UNCHECKED void load(const Source& source, METAL_HERE) {
    static_assert(is_same_v<typename Source::value_type, ElementType>,
                  "load needs a tensor of the same element type");
    static_assert(Source::get_rank() == 1 || Source::get_rank() == (kRank == 1 ? 2 : kRank),
                  "load needs a tensor of rank 1, or of the same rank");
    each_slot([&](int i, const metal_device::Place& at) METAL_UNCHECKED {
      typename Source::index_type index[4] = {};
      index_in(at, index);
      for (size_t r = 0; r < Source::get_rank(); ++r)
        if (kRank > 1 && source.get_extent(r) == 1) index[r] = 0;
      slots_[i] =
          source.inside(index) ? ElementType(source.element(index, METAL_SITE("load"))) : ElementType(0);
    });
  }
  /// All valid slots to a tensor with the same element type; outside is dropped.
  template <class Target>
  METAL_UNCHECKED void store(const Target& target, METAL_HERE) const {
    static_assert(is_same_v<typename Target::value_type, ElementType>,
                  "store needs a tensor of the same element type");
    static_assert(Target::get_rank() == kRank || (kRank == 1 && Target::get_rank() == 2),
                  "store needs a tensor of the same rank");
    each_slot([&](int i, const metal_device::Place& at) METAL_UNCHECKED {
      typename Target::index_type index[4] = {};
      index_in(at, index);
      if (!target.inside(index)) return;
      require_set(i, METAL_SITE("store"));
      target.touch(index, 1, metal_device::Access::write, METAL_SITE("store"));
      target.data()[target.offset(index)] = slots_[i];
    });
  }

  // For the operations on tiles.
  METAL_UNCHECKED ElementType& slot(int i) { return slots_[i]; }
  METAL_UNCHECKED void require_set(int i, const metal_device::Site& site) const {
    if (!metal_device::runtime->poisons() || !metal_device::Poison<ElementType>::is_in(slots_[i])) return;
    metal_device::runtime->fail("cooperative.uninitialised", site,
                                "%s reads slot %d of a cooperative tensor, which nobody has set: fresh ones "
                                "are not zero; set every slot, or load",
                                site.what, i);
  }

 private:
  METAL_UNCHECKED void check_index(int i, const metal_device::Site& site) const {
    if (i >= 0 && i < get_capacity()) return;
    metal_device::runtime->fail("cooperative.index", site,
                                "slot %d of a cooperative tensor whose capacity is %d here; ask get_capacity()",
                                i, int(get_capacity()));
  }
  METAL_UNCHECKED metal_device::Place place(int i) const {
    return Layout::place(metal_device::runtime->layout(), Layout::simdgroup_in_scope(), metal_device::lane_id(),
                         i);
  }
  template <class Visit>
  METAL_UNCHECKED void each_slot(Visit visit) const {
    const int capacity = get_capacity();
    for (int i = 0; i < capacity; ++i) {
      const metal_device::Place at = place(i);
      if (at.valid) visit(i, at);
    }
  }
  /// Dimension 0 is the column; of a reduction, the row (column) that it is the result of.
  template <class Index>
  METAL_UNCHECKED static void index_in(const metal_device::Place& at, Index* index) {
    if constexpr (kRank == 1) {
      index[0] = Index(at.row);
    } else if constexpr (kRank == 2) {
      index[0] = Index(at.column), index[1] = Index(at.row);
    } else {
      constexpr int kWidth = int(Extents::static_extent(1)), kHeight = int(Extents::static_extent(2));
      index[0] = Index(at.column), index[1] = Index(at.row % kWidth);
      index[2] = Index(at.row / kWidth % kHeight), index[3] = Index(at.row / kWidth / kHeight);
    }
  }

  ElementType slots_[Layout::kMostSlots > 0 ? Layout::kMostSlots : 1];
};

template <class T>
inline constexpr bool is_cooperative_tensor_v = false;
template <class... A>
inline constexpr bool is_cooperative_tensor_v<cooperative_tensor<A...>> = true;

}  // namespace metal
