// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IRewardDistributor} from "../../src/interfaces/IRewardDistributor.sol";
import {TableLib} from "../../src/libraries/TableLib.sol";

/// @title TableLib as it is called.
contract TableReader {
    function pack(
        IRewardDistributor.Contributor[] calldata training,
        IRewardDistributor.Contributor[] calldata validators
    ) external pure returns (bytes memory) {
        return TableLib.pack(training, validators);
    }

    function unpack(bytes memory data)
        external
        pure
        returns (IRewardDistributor.Contributor[] memory, IRewardDistributor.Contributor[] memory)
    {
        return TableLib.unpack(data);
    }

    function structHash(IRewardDistributor.ContributorTable calldata table) external pure returns (bytes32) {
        return TableLib.structHash(table);
    }
}
