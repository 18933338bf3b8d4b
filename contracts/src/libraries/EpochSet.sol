// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {LibBit} from "solady/utils/LibBit.sol";

/// @title A set of UTC days (unix seconds / 86,400), up to 65,535, the year 2149.
/// @dev Two levels of bits, so that the latest day up to another is found with at most three reads.
library EpochSet {
    struct Set {
        uint256 summary;
        mapping(uint256 word => uint256 bits) words;
    }

    function insert(Set storage self, uint256 epoch) internal {
        self.summary |= 1 << (epoch >> 8);
        self.words[epoch >> 8] |= 1 << (epoch & 255);
    }

    function contains(Set storage self, uint256 epoch) internal view returns (bool) {
        return self.words[epoch >> 8] >> (epoch & 255) & 1 == 1;
    }

    /// @notice The latest day in the set that is not after `epoch`; 0 when there is none.
    function latestUpTo(Set storage self, uint256 epoch) internal view returns (uint256) {
        uint256 summary = self.summary;
        if (summary == 0) return 0;
        uint256 word = epoch >> 8;
        uint256 bits = self.words[word] & (type(uint256).max >> (255 - (epoch & 255)));
        if (bits != 0) return word << 8 | LibBit.fls(bits);
        uint256 earlier = summary & ((1 << word) - 1);
        if (earlier == 0) return 0;
        word = LibBit.fls(earlier);
        return word << 8 | LibBit.fls(self.words[word]);
    }
}
