// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title The arithmetic of rewards. Mirrored in src/lib/rewards/split.ts.
library RewardLib {
    /// @dev The whole, in parts per million.
    uint256 internal constant PPM = 1_000_000;

    /// @dev Rewards per delegated base unit are kept with this many units of precision.
    uint256 internal constant PER_SHARE_SCALE = 1e18;

    /// @dev What the books have room for.
    uint256 internal constant MAX_PER_SHARE = type(uint144).max;

    // Nothing below can overflow: amounts are below 2^105, weights below 2^24, ppm below 2^20, stake below 2^97 and
    // PER_SHARE_SCALE below 2^60.

    /// @notice amount * ppm / 1e6, rounded down.
    function ppmDown(uint256 amount, uint256 ppm) internal pure returns (uint256) {
        unchecked {
            return amount * ppm / PPM;
        }
    }

    /// @notice Parts of training nodes and validators of all fees under one split; the host has what remains.
    /// @dev Both parts together are floor(fees * (trainingPpm + validatorPpm) / 1e6), and training nodes have
    ///      floor(both * trainingPpm / (trainingPpm + validatorPpm)) of that. So a growth of fees never lowers the part of
    ///      anybody, the host included: two floors side by side could grow by more than the fee.
    function splitDown(uint256 fees, uint256 trainingPpm, uint256 validatorPpm)
        internal
        pure
        returns (uint256 training, uint256 validators)
    {
        unchecked {
            uint256 ppm = trainingPpm + validatorPpm;
            if (ppm == 0) return (0, 0);
            uint256 both = fees * ppm / PPM;
            training = both * trainingPpm / ppm;
            validators = both - training;
        }
    }

    /// @notice What a member with `weight` of `totalWeight` earned while the role's fees grew from `from` to `to`.
    /// @dev Differences of floors, so that what is paid over many settlements is the floor of what is due in all.
    function earnedDown(uint256 from, uint256 to, uint256 weight, uint256 totalWeight)
        internal
        pure
        returns (uint256)
    {
        if (weight == 0) return 0;
        unchecked {
            return to * weight / totalWeight - from * weight / totalWeight;
        }
    }

    /// @notice Part of an operator's reward that goes to its delegators:
    ///         reward * (1 - sigma) * delegated / (own + delegated), rounded down; the operator gets the rest.
    function delegatorsPartDown(uint256 reward, uint256 sigmaPpm, uint256 own, uint256 delegated)
        internal
        pure
        returns (uint256)
    {
        if (delegated == 0) return 0;
        unchecked {
            return reward * (PPM - sigmaPpm) * delegated / (PPM * (own + delegated));
        }
    }

    /// @notice Spreads a part over the delegated stake.
    /// @dev Never leaves the range of `perShare`: what does not fit, beyond 2e25 base units for each base unit delegated, is
    ///      not spread and the caller gives it to the operator, so that nothing can get stuck. Never falls when `part` grows.
    /// @param perShare reward per delegated base unit so far, times PER_SHARE_SCALE
    /// @param carry what earlier spreads left over, in units of 1 / PER_SHARE_SCALE of a base unit
    /// @return spread what was spread: `part`, unless it does not fit
    /// @return newPerShare reward per delegated base unit with this part
    /// @return newCarry what this spread leaves over
    function spreadDown(uint256 part, uint256 perShare, uint256 carry, uint256 delegated)
        internal
        pure
        returns (uint256 spread, uint256 newPerShare, uint256 newCarry)
    {
        if (part == 0) return (0, perShare, carry);
        unchecked {
            uint256 total = part * PER_SHARE_SCALE + carry;
            newPerShare = perShare + total / delegated;
            if (newPerShare <= MAX_PER_SHARE) return (part, newPerShare, total % delegated);
            uint256 room = (MAX_PER_SHARE - perShare) * delegated;
            if (carry >= room) return (0, MAX_PER_SHARE, carry - room);
            uint256 excess = total - room;
            return (part - excess / PER_SHARE_SCALE, MAX_PER_SHARE, excess % PER_SHARE_SCALE);
        }
    }
}
