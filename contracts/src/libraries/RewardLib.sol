// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title The arithmetic of rewards. Mirrored in src/lib/rewards/split.ts.
library RewardLib {
    /// @dev The whole, in parts per million.
    uint256 internal constant PPM = 1_000_000;

    /// @dev Rewards per delegated base unit are kept with this many units of precision.
    uint256 internal constant PER_SHARE_SCALE = 1e18;

    /// @notice amount * ppm / 1e6, rounded down.
    function ppmDown(uint256 amount, uint256 ppm) internal pure returns (uint256) {
        return amount * ppm / PPM;
    }

    /// @notice What a member with `weight` of `totalWeight` earned while the role's fees grew from `from` to `to`.
    /// @dev Differences of floors, so that what is paid over many settlements is the floor of what is due in all.
    function earnedDown(uint256 from, uint256 to, uint256 weight, uint256 totalWeight)
        internal
        pure
        returns (uint256)
    {
        if (weight == 0) return 0;
        return to * weight / totalWeight - from * weight / totalWeight;
    }

    /// @notice Part of an operator's reward that goes to its delegators:
    ///         reward * (1 - sigma) * delegated / (own + delegated), rounded down; the operator gets the rest.
    function delegatorsPartDown(uint256 reward, uint256 sigmaPpm, uint256 own, uint256 delegated)
        internal
        pure
        returns (uint256)
    {
        if (delegated == 0) return 0;
        return reward * (PPM - sigmaPpm) * delegated / (PPM * (own + delegated));
    }

    /// @notice Spreads a part over the delegated stake.
    /// @param carry what earlier spreads left over, in units of 1 / PER_SHARE_SCALE of a base unit
    /// @return increase growth of the reward per delegated base unit, times PER_SHARE_SCALE
    /// @return newCarry what this spread leaves over, below `delegated`
    function spreadDown(uint256 part, uint256 carry, uint256 delegated)
        internal
        pure
        returns (uint256 increase, uint256 newCarry)
    {
        uint256 total = part * PER_SHARE_SCALE + carry;
        return (total / delegated, total % delegated);
    }
}
