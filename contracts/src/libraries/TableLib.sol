// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IRewardDistributor} from "../interfaces/IRewardDistributor.sol";

/// @title EIP-712 hash of a contributor table.
library TableLib {
    bytes32 internal constant CONTRIBUTOR_TYPEHASH = keccak256("Contributor(address account,uint32 weight)");

    bytes32 internal constant CONTRIBUTOR_TABLE_TYPEHASH = keccak256(
        "ContributorTable(bytes32 modelId,Contributor[] training,Contributor[] validators,uint64 nonce,uint40 expiry)Contributor(address account,uint32 weight)"
    );

    function structHash(IRewardDistributor.ContributorTable calldata table) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                CONTRIBUTOR_TABLE_TYPEHASH,
                table.modelId,
                _roleHash(table.training),
                _roleHash(table.validators),
                table.nonce,
                table.expiry
            )
        );
    }

    function _roleHash(IRewardDistributor.Contributor[] calldata members) private pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](members.length);
        for (uint256 i; i < members.length; ++i) {
            hashes[i] = keccak256(abi.encode(CONTRIBUTOR_TYPEHASH, members[i].account, members[i].weight));
        }
        return keccak256(abi.encodePacked(hashes));
    }
}
