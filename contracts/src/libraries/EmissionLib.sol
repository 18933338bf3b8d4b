// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IRewardDistributor} from "../interfaces/IRewardDistributor.sol";

/// @title The arithmetic of emissions. Mirrored in src/lib/rewards/emission.ts.
library EmissionLib {
    /// @dev The whole, in parts per million.
    uint256 internal constant PPM = 1_000_000;

    /// @notice A table's share of a pool, of which `before` of `total` units had theirs: a difference of floors, so that the
    ///         shares of all tables sum up to the pool in whatever order they are taken.
    function shareDown(uint256 pool, uint256 before, uint256 units, uint256 total) internal pure returns (uint256) {
        return pool * (before + units) / total - pool * before / total;
    }

    /// @notice Training nodes' part of an emission: emission * (gamma + (1 - 2 gamma) * trainingStake / all stake), rounded
    ///         down in one division; the validators get the rest. Without stake each role has half.
    /// @dev FLock's split between the roles of a task (AI Arena), at full precision instead of whole ppm.
    function trainingPartDown(uint256 emission, uint256 gammaPpm, uint256 trainingStake, uint256 validatorStake)
        internal
        pure
        returns (uint256)
    {
        uint256 stake = trainingStake + validatorStake;
        if (stake == 0) return emission / 2;
        return emission * (gammaPpm * stake + (PPM - 2 * gammaPpm) * trainingStake) / (PPM * stake);
    }

    /// @notice A member's part of its role's emission, by weight, rounded down; what is left goes to the first member of
    ///         the highest weight. Zero for who is no member.
    function memberPart(uint256 emission, IRewardDistributor.Contributor[] memory members, address account)
        internal
        pure
        returns (uint256 part)
    {
        uint256 total;
        uint256 top;
        for (uint256 i; i < members.length; ++i) {
            total += members[i].weight;
            if (members[i].weight > members[top].weight) top = i;
        }
        uint256 rest = emission;
        for (uint256 i; i < members.length; ++i) {
            uint256 own = emission * members[i].weight / total;
            rest -= own;
            if (members[i].account == account) part = own;
        }
        if (members.length != 0 && members[top].account == account) part += rest;
    }
}
